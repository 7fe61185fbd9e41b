"""The rating desk: people label pairs, and what they say is never lost."""
