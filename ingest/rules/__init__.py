"""Rules that data and stores are checked by, and the engine that checks them."""
