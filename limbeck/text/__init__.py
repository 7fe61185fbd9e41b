"""What a Pin says: its own texts, and what boards, searches, links and captions say of it, rendered as one text."""
