"""A memory before a model that reads texts."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np

T = TypeVar("T")


class Lately(Generic[T]):
    """What belongs to texts. Beyond `size` of them, the least lately used are forgotten. Threads may share it."""

    def __init__(self, size: int = 50_000) -> None:
        self._size = size
        self._held: OrderedDict[str, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, text: str) -> T | None:
        """What is held of one text, which is now used lately."""
        with self._lock:
            if text in self._held:
                self._held.move_to_end(text)
            return self._held.get(text)

    def get_many(self, texts: Sequence[str]) -> dict[str, T]:
        """What is held of texts, which are now used lately."""
        with self._lock:
            known = {text: self._held[text] for text in texts if text in self._held}
            for text in known:
                self._held.move_to_end(text)
        return known

    def put_many(self, found: Mapping[str, T]) -> None:
        """Keep these."""
        with self._lock:
            self._held |= found
            while len(self._held) > self._size:
                self._held.popitem(last=False)


class Lru(Lately[np.ndarray]):
    """Vectors of texts, float32 (d,)."""

    def put_many(self, found: Mapping[str, np.ndarray]) -> None:
        """Keep copies: a row would hold all of its batch in memory."""
        super().put_many({text: vector.copy() for text, vector in found.items()})


class Remembered:
    """Reading whose last texts are kept: who asks for the same text again, for another purpose, waits for no model."""

    def __init__(self, read: Callable[[Sequence[str]], np.ndarray], size: int) -> None:
        self._read, self._held = read, Lru(size)

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of the texts, float32 (n, d), in their order."""
        if not texts:
            return self._read(texts)
        known = self._held.get_many(texts)
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if missing:
            read = dict(zip(missing, self._read(missing)))
            self._held.put_many(read)
            known |= read
        return np.array([known[text] for text in texts])

    def one(self, text: str) -> np.ndarray:
        """The vector of one text, float32 (d,)."""
        known = self._held.get(text)
        found: np.ndarray = self([text])[0] if known is None else known
        return found
