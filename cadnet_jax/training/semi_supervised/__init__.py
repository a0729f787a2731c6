"""Losses that learn from unlabeled images too: the rivals of the paper's Table 6."""
