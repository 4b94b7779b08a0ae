"""Models: finding, identifying, loading and asking them."""
