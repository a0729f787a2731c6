"""Scores: of a split, over thresholds, under disturbances."""
