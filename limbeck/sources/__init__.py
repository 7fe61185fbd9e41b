"""Where the input tables come from: a small generated Pinterest, or your own files."""
