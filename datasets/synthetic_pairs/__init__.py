"""Pairs of every kind, drawn: the training data of the released weights."""
