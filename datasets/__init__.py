"""Builders that describe data sets and write prepared directories."""
