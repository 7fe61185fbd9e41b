"""What a query is taken to say, before anything is searched for; told with the answer, and never put in its place."""

import functools

import msgspec

from limbeck.index.understanding import Understanding
from limbeck.text.queries import plain

REMEMBERED = 20_000  # queries whose understanding is kept: an answer asks for it twice


class Understood(msgspec.Struct, frozen=True):
    """`normalised` is its plain form; `language` null where it is not known or not sure.

    `spelled` has the words that no Pin has corrected to some that Pins have; null where there is nothing to correct.
    """

    normalised: str
    language: str | None
    spelled: str | None


class Understander:
    """Understands queries by one workspace's words. Threads may share it."""

    def __init__(self, understanding: Understanding) -> None:
        self._by = understanding
        self.understand = functools.lru_cache(REMEMBERED)(self._understand)

    def _understand(self, query: str) -> Understood:
        said, by = plain(query), self._by
        return Understood(said, by.languages.of(said), by.spelling.respelled(said) if by.spelling else None)
