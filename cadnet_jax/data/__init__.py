"""Prepared data: what is read, labels, batches, and what changes pairs on their way."""
