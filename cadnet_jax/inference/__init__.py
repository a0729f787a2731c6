"""From a pair to scores, classes and defects: the one way, which all take."""
