"""The machine that jobs run on: devices, threads, settings, and stopping on a signal."""
