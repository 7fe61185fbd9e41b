"""Vectors of queries, kept: what was asked for lately costs no model call.

Caches are stacked before the model, each of them an embedder again: memory before a server that replicas share before
the student.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from limbeck.remembered import Lru
from limbeck.signals.signal import Read


class Embedder(Protocol):
    """Whatever turns texts into vectors."""

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of the texts, float32 (n, d), in their order."""
        ...


class Student(Embedder, Protocol):
    """An embedder that says what it reads."""

    def tokens(self, texts: Sequence[str]) -> list[bytes]:
        """What is read of each text: the same tokens have the same vector."""
        ...


class Cache(Protocol):
    """Whatever keeps vectors for a while. It may forget or lose any of them at any time, and never raises."""

    def get_many(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """The vectors, float32 (d,), of those of the texts that are held."""
        ...

    def put_many(self, vectors: Mapping[str, np.ndarray]) -> None:
        """Keep these."""
        ...


Tokens = Callable[[Sequence[str]], list[bytes]]
Shared = Callable[[str, Tokens], Cache]  # makes the cache of one kind of vectors, which its name tells from others


class Memories:
    """The memory of each kind of vectors, which a version leaves to the next one where that has the same student."""

    def __init__(self, size: int = 50_000) -> None:
        """Keep so many vectors of each kind."""
        self._size = size
        self._held: dict[str, tuple[str, Lru]] = {}

    def of(self, kind: str, reading: str) -> Lru:
        """What is held of the student of this name (`Store.reading`)."""
        student, held = self._held.get(kind, ("", None))
        if held is None or student != reading:
            held = Lru(self._size)
            self._held[kind] = reading, held
        return held


class CachedVectors:
    """An embedder that has only those texts `read` that its cache does not hold, and puts them there."""

    def __init__(self, read: Read, cache: Cache) -> None:
        self._read, self._cache = read, cache
        self._lock = threading.Lock()
        self.hits = self.misses = 0  # different texts of each call, by whether they were held

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of the texts, float32 (n, d), in their order; those that were missing are kept."""
        if not texts:
            return self._read(texts)
        different = list(dict.fromkeys(texts))
        known = self._cache.get_many(different)
        missing = [text for text in different if text not in known]
        self._count(len(known), len(missing))
        if missing:
            loaded = dict(zip(missing, self._read(missing)))
            self._cache.put_many(loaded)
            known |= loaded
        return np.array([known[text] for text in texts])

    def _count(self, hits: int, misses: int) -> None:
        with self._lock:
            self.hits += hits
            self.misses += misses


class Caches:
    """The caches before one student: for each kind of vectors of queries one in memory, and behind it a shared one."""

    def __init__(self, memories: Memories | None = None, shared: Shared | None = None) -> None:
        """`memories` may be those that versions before had."""
        self._memories, self._shared = memories or Memories(), shared
        self.layers: dict[str, CachedVectors] = {}

    def queries(self, student: Student, reading: str) -> Embedder:
        """The student as what embeds queries."""
        return self._before("query", student, reading, student.vectors)

    def readings(self, student: Student, reading: str, read: Read) -> Read:
        """Untuned vectors of queries, which signals ask for: else known queries still cost a model call."""
        return self._before("reading", student, reading, read).vectors

    def _before(self, kind: str, student: Student, reading: str, read: Read) -> CachedVectors:
        if self._shared:
            behind = self._shared(f"{kind}:{reading}", student.tokens)
            read = self._named(f"shared_{kind}", CachedVectors(read, behind)).vectors
        return self._named(kind, CachedVectors(read, self._memories.of(kind, reading)))

    def _named(self, name: str, layer: CachedVectors) -> CachedVectors:
        self.layers[name] = layer
        return layer
