"""Fast forms of operations, beside the plain ones."""
