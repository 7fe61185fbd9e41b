"""Which pairs the teacher labels, and the labelling in bulk."""
