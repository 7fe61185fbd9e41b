"""Signals of a (query, Pin) pair: computed by the same code offline, for training, and online, for serving."""
