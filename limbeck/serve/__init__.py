"""Live search and re-ranking: retrieve candidates, grade them with the student, answer over HTTP."""
