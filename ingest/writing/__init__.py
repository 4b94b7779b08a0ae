"""Writing what readers give into a store."""
