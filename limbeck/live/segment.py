"""Some live Pins, with all that a store knows of the Pins of its index: vectors, features, words, what is shown."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from limbeck.index.catalogue import SHOWN, Shown
from limbeck.index.store import Store
from limbeck.live.postings import Postings
from limbeck.records import Pin, schema
from limbeck.signals.signal import UNASKED
from limbeck.student.scoring import Asked

AT_ONCE = 16  # Pins that are read in one go


@dataclass(frozen=True, eq=False)
class Entry:
    """One live Pin: what was put, what it says by source, its vector, and by what the signals know it."""

    pin: Pin
    said: dict[str, Any]
    vector: np.ndarray  # (d,)
    base: np.ndarray  # its untuned vector
    known: int  # its row in the match index, if it is a Pin of the index that was changed; else −1


class Segment:
    """Live Pins by their row in it; never changed once made."""

    def __init__(self, store: Store, entries: Sequence[Entry]) -> None:
        self.entries = tuple(entries)
        self.vectors = np.stack([entry.vector for entry in entries])
        self.words = Postings([entry.said for entry in entries], store.statistics, store.signals.match.mean_terms)
        texts = pa.Table.from_pylist([entry.said for entry in entries], schema=schema("pin_texts"))
        known = np.fromiter((entry.known for entry in entries), np.int64, len(entries))
        self._signals = store.signals.over(texts, np.stack([entry.base for entry in entries]), known)
        self._scorer, told = store.student.scorer, self._signals.of_side("pin", UNASKED, np.arange(len(entries)))
        self._shares = store.shares.alike(self._scorer.held(self.vectors, told))

    def __len__(self) -> int:
        return len(self.entries)

    def features(self, query: str, rows: np.ndarray) -> np.ndarray:
        """Features of a query and the Pins in these rows, as those of the index, float32 (n, f)."""
        return self._signals.features(query, rows)

    def grade(self, query: str, asked: Asked, rows: np.ndarray) -> np.ndarray:
        """Five probabilities of a query and the Pins in these rows, by their shares as those of the index."""
        return self._scorer.candidates(asked, self._shares, rows, self._signals.of_side("pair", query, rows))


def entries(store: Store, pins: Sequence[Pin]) -> list[Entry]:
    """Pins as live ones: composed, and read by the store's student."""
    if not pins:
        return []
    rows = store.rows([pin.pin_id for pin in pins])
    said = [_said(store, pin, int(row)) for pin, row in zip(pins, rows)]
    texts = [store.compose(each) for each in said]
    parts = [texts[i : i + AT_ONCE] for i in range(0, len(texts), AT_ONCE)]
    bases, vectors = (np.concatenate([read(p) for p in parts]) for read in (store.read, store.student.vectors))
    known = np.where(rows >= 0, store.match_rows[rows], -1).tolist()
    # Copies: a row would hold all that came with it in memory for as long as one Pin of them is live.
    return [Entry(*each) for each in zip(pins, said, map(np.copy, vectors), map(np.copy, bases), known)]


def shown(entry: Entry) -> Shown:
    """What is shown of a live Pin."""
    return Shown(*(getattr(entry.pin, name) for name in SHOWN))


def _said(store: Store, pin: Pin, row: int) -> dict[str, Any]:
    """What a Pin says. One of the index keeps what others say of it: boards, searches, and what its picture and link
    say, where those are the same as before."""
    before: dict[str, Any] = {}
    if row >= 0:
        [before], [was] = store.says(np.asarray([row])), store.shown(np.asarray([row]))
        changed = {name for name in ("image", "link") if getattr(was, name) != getattr(pin, name)}
        lost = {"image": ("caption",), "link": ("link_title", "link_description")}
        before = {**before, **{source: None for name in changed for source in lost[name]}}
    none: dict[str, Any] = {
        name: [] if name in ("board_titles", "engaged_queries") else None for name in schema("pin_texts").names
    }
    own = {name: value for name, value in asdict(pin).items() if name in none}
    return {**none, **before, **own, "digest": ""}
