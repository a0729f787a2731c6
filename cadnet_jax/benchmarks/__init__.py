"""Time, memory and precision of the network on a device."""
