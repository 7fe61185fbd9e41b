"""The student: query and Pin embedded apart, match features, and a small network to five levels."""
