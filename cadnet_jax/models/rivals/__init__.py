"""The networks that the paper compares CADNet with."""
