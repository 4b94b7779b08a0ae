"""Opening a store, waiting for it, repairing it, and writing rows into it."""
