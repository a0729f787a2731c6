"""Weights from elsewhere, and the released ones."""
