"""The machine that jobs run on: devices, threads, settings, and being told to stop."""
