"""Where the words of a query stand in a text as it is written, by the same terms that match features are made of."""

from collections.abc import Iterator
from itertools import pairwise

import regex

from limbeck.signals.tokens import SURFACE, fold, is_word, stem, surfaces, terms_of
from limbeck.text.scripts import UNSPACED

_UNSPACED = regex.compile(f"{UNSPACED}+")
Span = tuple[int, int]  # characters, from the first to behind the last


def marks(query: str, text: str) -> list[Span]:
    """The parts of `text` that say a word of the query, in order, none touching the next."""
    said = surfaces(query)
    wanted = {term for surface in said for term in terms_of(surface)}
    glued = {stem(a + b) for a, b in pairwise(said) if is_word(a) and is_word(b)}
    places = [(m.start(), m.end()) for m in SURFACE.finditer(text)]
    found = [span for place in places for span in _within(text, place, wanted | glued)]
    found += [(a, d) for (a, b), (c, d) in pairwise(places) if _written_as_one(text[a:b], text[c:d], wanted)]
    return list(_merged(sorted(found)))


def _within(text: str, place: Span, wanted: set[str]) -> Iterator[Span]:
    begin, end = place
    piece = text[begin:end]
    if not _UNSPACED.match(piece):
        if not wanted.isdisjoint(_terms(piece)):
            yield place
        return
    for at in range(begin, end):
        for size in (1, 2):
            if at + size <= end and fold(text[at : at + size]) in wanted:
                yield at, at + size


def _written_as_one(first: str, second: str, wanted: set[str]) -> bool:
    pieces = [*surfaces(first), *surfaces(second)]
    return len(pieces) == 2 and all(map(is_word, pieces)) and stem("".join(pieces)) in wanted


def _terms(piece: str) -> set[str]:
    return {term for surface in surfaces(piece) for term in terms_of(surface)}


def _merged(spans: list[Span]) -> Iterator[Span]:
    """Spans in order, those that touch or overlap as one."""
    while spans:
        begin, end = spans.pop(0)
        while spans and spans[0][0] <= end:
            end = max(end, spans.pop(0)[1])
        yield begin, end
