"""Labels that other tools export become masks of a paired folder."""
