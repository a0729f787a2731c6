"""Work directories: their files, checkpoints and results."""
