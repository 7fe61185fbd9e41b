"""A small generated Pinterest whose true relevance is known (docs/world.md)."""
