"""Runs in places that others look at: an MLflow or Weights & Biases tracker, or a model card for the hub.

``record`` says what is published, from the store alone; each target is a module that takes a record.
"""
