"""A query in its plain form: what spelling and language are looked at in."""

import unicodedata

import regex

# Controls and format characters, but for the joiners that some languages are spelt with.
_INVISIBLE = regex.compile(r"[[\p{Cc}\p{Cf}]--[\s\u200c\u200d]]", regex.V1)


def plain(query: str) -> str:
    """One form of each character (NFKC), lower case, single spaces, nothing invisible. Accents stay."""
    sound = query.encode(errors="replace").decode()  # a lone surrogate, which JSON may carry, is no text
    lower = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", sound).lower())
    return " ".join(_INVISIBLE.sub("", lower).split())
