"""Prepared data: labels, batches, and what changes pairs on their way."""
