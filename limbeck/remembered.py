"""A memory before a model that reads texts."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import numpy as np


class Lru:
    """Vectors in this process; beyond `size` of them, the least lately used are forgotten. Threads may share it."""

    def __init__(self, size: int = 50_000) -> None:
        self._size = size
        self._held: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def get_many(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """The vectors, float32 (d,), of those of the texts that are held, which are now used lately."""
        with self._lock:
            known = {text: self._held[text] for text in texts if text in self._held}
            for text in known:
                self._held.move_to_end(text)
        return known

    def put_many(self, vectors: Mapping[str, np.ndarray]) -> None:
        """Keep copies: a row would hold all of its batch in memory."""
        with self._lock:
            self._held |= {text: vector.copy() for text, vector in vectors.items()}
            while len(self._held) > self._size:
                self._held.popitem(last=False)


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
        return np.stack([known[text] for text in texts])
