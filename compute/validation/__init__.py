"""Whether influence scores predict what retraining shows: what a validation job measures."""
