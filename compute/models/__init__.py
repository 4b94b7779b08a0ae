"""Models: finding, identifying, loading and probing them."""
