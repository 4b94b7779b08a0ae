"""Jobs that compute: pretraining of small models, fine-tuning and probing of T5 and mT5. No SQL, no database.

A job arrives as a directory (:mod:`mlv.schema.jobs.directory`) and leaves as one; :mod:`mlv.compute.running` runs it.
torch and transformers are imported inside the functions that use them; :mod:`mlv.compute.training.trainer` alone needs
them at its top and is itself imported where it is used.
"""
