"""Running job directories: here, on several workers, or on a Slurm cluster."""
