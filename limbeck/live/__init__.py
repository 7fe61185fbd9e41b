"""Pins that were added, changed or deleted while the service runs: a journal on the disk, and an overlay in memory."""
