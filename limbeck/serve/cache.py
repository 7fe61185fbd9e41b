"""Vectors of queries, kept in memory: the queries asked for lately cost no model call."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Embedder(Protocol):
    """Whatever turns texts into vectors."""

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of the texts, float32 (n, d), in their order."""
        ...


class CachedVectors:
    """An embedder that asks the one behind it only for texts it does not hold, and forgets the least lately used."""

    def __init__(self, embedder: Embedder, size: int = 50_000) -> None:
        self._embedder, self._size = embedder, size
        self._held: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of the texts, float32 (n, d), in their order; those that were missing are kept."""
        known = self._get(texts)
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if missing:
            loaded = dict(zip(missing, self._embedder.vectors(missing)))
            self._put(loaded)
            known |= loaded
        return np.stack([known[text] for text in texts])

    def _get(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        with self._lock:
            known = {text: self._held[text] for text in texts if text in self._held}
            for text in known:
                self._held.move_to_end(text)
        return known

    def _put(self, loaded: dict[str, np.ndarray]) -> None:
        with self._lock:
            self._held |= loaded
            while len(self._held) > self._size:
                self._held.popitem(last=False)
