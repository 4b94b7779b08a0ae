"""Influence of training examples on predictions: gradients, projections, indexes and scores."""
