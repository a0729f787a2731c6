"""Families of products, one module each: `draw(rng, size) -> Drawing`."""
