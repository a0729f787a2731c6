"""Training: losses, the optimizer, a step, and the loop around it."""
