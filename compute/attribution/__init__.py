"""Which training examples a prediction owes itself to: gradients, projections, indexes and scores."""
