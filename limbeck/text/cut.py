"""Where a text may end: between words, between graphemes where the script has no spaces, never inside a grapheme."""

import regex

_SPACELESS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
_SPACELESS_NEXT = regex.compile(f"[{_SPACELESS}]")
_TOKEN = regex.compile(rf"(?V1)[{_SPACELESS}]|[\w\p{{M}}--[{_SPACELESS}]]+|[^\w\s]")
_GRAPHEME = regex.compile(r"\X")
_LAST_SPACE = regex.compile(r"(?r)\s")
_LOOSE_END = regex.compile(r"[\s\p{Grapheme_Cluster_Break=Prepend}]+$")  # a prepended sign belongs to what follows it
_LONGEST_GRAPHEME = 64


def tokens(text: str) -> list[tuple[int, int]]:
    """Begin and end of each word, sign, and character of scripts without spaces: a count for want of a tokenizer."""
    return [m.span() for m in _TOKEN.finditer(text)]


def shorten(text: str, limit: int) -> str:
    """The longest beginning of `text` of at most `limit` characters that ends between words, without end spaces.

    Where not even one word fits, it ends inside that word, between two graphemes.
    """
    if max(limit, 0) >= len(text):
        return text
    return _LOOSE_END.sub("", text[: _end(text, max(limit, 0))])


def _end(text: str, limit: int) -> int:
    if text[limit].isspace():
        return limit
    space = _LAST_SPACE.search(text, endpos=limit)
    begin = space.end() if space else 0
    edges = [m.span() for m in _GRAPHEME.finditer(text, begin, limit + _LONGEST_GRAPHEME) if m.end() <= limit]
    for start, end in reversed(edges):
        if _SPACELESS_NEXT.match(text, start) or _SPACELESS_NEXT.match(text, end):
            return end
    if edges and not text[:begin].strip():
        return edges[-1][1]
    return begin
