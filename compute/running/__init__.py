"""Running job directories: in this process, on several workers, or on a Slurm cluster."""
