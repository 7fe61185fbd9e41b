"""Frozen language models reading texts in bulk: the part of a run that costs money."""
