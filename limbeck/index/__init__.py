"""Vectors and a lexical index of all Pins: computed once, and again only where a text changed."""
