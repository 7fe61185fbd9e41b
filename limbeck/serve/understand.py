"""What a query is taken to say, before anything is searched for; told with the answer, and never put in its place."""

import functools
from collections.abc import Callable

import msgspec

from limbeck.index.understanding import Understanding
from limbeck.text.queries import plain

REMEMBERED = 20_000  # queries whose understanding is kept: an answer asks for it twice


class Understood(msgspec.Struct, frozen=True):
    """`normalised` is its plain form; `language` null where it is not known or not sure.

    `spelled` has the words that no Pin has corrected to some that Pins have; null where there is nothing to correct.
    `interest` is what it is most likely about, of the catalogue's own interests; null where none is likely.
    """

    normalised: str
    language: str | None
    spelled: str | None
    interest: str | None


class Understander:
    """Understands queries by one workspace's words. Threads may share it."""

    def __init__(
        self, understanding: Understanding, interest: Callable[[str], str | None] = lambda query: None
    ) -> None:
        self.words = functools.partial(_words, understanding)  # all that can be told without a model
        # Of its parts, not of `self`: in a circle with itself, a version that was replaced would stay in memory.
        self.understand = functools.lru_cache(REMEMBERED)(functools.partial(_understood, understanding, interest))


def _words(by: Understanding, query: str) -> Understood:
    """All but the interest."""
    said = plain(query)
    spelled = by.spelling.respelled(said) if by.spelling else None
    return Understood(said, by.languages.of(said), spelled, None)


def _understood(by: Understanding, interest: Callable[[str], str | None], query: str) -> Understood:
    return msgspec.structs.replace(_words(by, query), interest=interest(query))
