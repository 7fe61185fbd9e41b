"""Judging graders on held-out human labels. Knows no model: it is handed their answers."""
