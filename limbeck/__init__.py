"""Limbeck: search relevance with language models, from tables to a served, measured student."""

__version__ = "0.1.0"
