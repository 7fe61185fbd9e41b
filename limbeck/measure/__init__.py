"""Judging graders on held-out labels. Knows no model: it is handed their answers."""
