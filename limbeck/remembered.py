"""A memory before a model that reads texts."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np


class Remembered:
    """Reading whose last texts are kept: who asks for the same text again, for another purpose, waits for no model."""

    def __init__(self, read: Callable[[Sequence[str]], np.ndarray], size: int) -> None:
        self._read, self._size = read, size
        self._held: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of the texts, float32 (n, d), in their order."""
        if not texts:
            return self._read(texts)
        with self._lock:
            known = {text: self._held[text] for text in texts if text in self._held}
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if missing:
            read = dict(zip(missing, self._read(missing)))
            known |= read
            with self._lock:
                self._held |= read
                while len(self._held) > self._size:
                    self._held.popitem(last=False)
        return np.stack([known[text] for text in texts])
