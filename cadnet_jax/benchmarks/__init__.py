"""Measurements: time, memory and precision on a device; what inspection finds."""
