"""Inspection: an image of a part -> registration, scores, rules -> a verdict."""
