"""The live Pins over one index: which there are, which of the index they hide, and search among them.

An overlay is never changed: catching up with the journal gives another one. Pins come in small segments, and small
segments are joined into larger ones, so that a query asks few of them and a change rebuilds little.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from limbeck import lookup
from limbeck.index.catalogue import Shown
from limbeck.index.sides import NONE, Hits
from limbeck.index.store import Store
from limbeck.live import segment
from limbeck.live.journal import BEGINNING, Position
from limbeck.live.segment import Entry, Segment
from limbeck.records import Pin
from limbeck.student.scoring import Asked

LARGEST = 1_024  # Pins of a segment: larger ones are not made
UNTOLD = -2  # the row of a Pin that nothing is told of


class Overlay:
    """Live Pins by row, from 0; `rows` has those that there are, and −1 for ids that are deleted."""

    def __init__(
        self,
        segments: Sequence[Segment] = (),
        live: Mapping[str, Entry | None] | None = None,
        end: Position = BEGINNING,
    ) -> None:
        """`live` says which entry of the segments is the present one of each id; None: it is deleted."""
        self._live = dict(live or {})
        self._segments = [s for s in segments if any(self._live.get(e.pin.pin_id) is e for e in s.entries)]
        self.end = end
        self._begins = np.cumsum([0, *map(len, self._segments)])
        entries = [entry for s in self._segments for entry in s.entries]
        place = {entry.pin.pin_id: number for number, entry in enumerate(entries) if self._is_live(entry)}
        pins = sorted(place)  # so that rows, by which equal scores are ordered, are the same whatever came first
        self._place = np.fromiter((place[pin] for pin in pins), np.int64, len(pins))  # among all of the segments' Pins
        self._entries = [entries[number] for number in self._place]
        self.rows = {**dict.fromkeys(self._live, -1), **{pin: row for row, pin in enumerate(pins)}}
        self._known = lookup.of(list(self.rows))
        self._rows = np.asarray([*self.rows.values(), UNTOLD], np.int64)

    def __len__(self) -> int:
        return len(self._place)

    def after(self, store: Store, changes: Mapping[str, Pin | None], end: Position) -> "Overlay":
        """What it is after some changes, of a journal that was read up to `end`."""
        live, new = dict(self._live), []
        for pin_id, pin in changes.items():
            now = live.get(pin_id)
            if pin is None or now is None or now.pin != pin:
                live[pin_id] = None
                new += [pin] if pin else []
        made = segment.entries(store, new)
        live |= {entry.pin.pin_id: entry for entry in made}
        parts = [list(s.entries) for s in self._segments]
        parts += [made[i : i + LARGEST] for i in range(0, len(made), LARGEST)]
        present = [[e for e in part if live.get(e.pin.pin_id) is e] for part in parts]
        return Overlay(self._joined(store, present), live, end)

    def _joined(self, store: Store, parts: list[list[Entry]]) -> list[Segment]:
        """Segments of these entries: a small one joins the one before it; those that stayed as they were are kept."""
        kept: list[list[Entry]] = []
        for part in filter(None, parts):
            kept.append(part)
            while len(kept) > 1 and len(kept[-2]) <= 2 * len(kept[-1]) and len(kept[-2]) + len(kept[-1]) <= LARGEST:
                last = kept.pop()
                kept[-1] = kept[-1] + last
        before = {tuple(map(id, s.entries)): s for s in self._segments}
        return [before.get(tuple(map(id, part))) or Segment(store, part) for part in kept]

    def rows_of(self, pin_ids: Sequence[str]) -> np.ndarray:
        """Their rows, int64 (n,): −1 for those that are deleted, `UNTOLD` for those that are as they were."""
        return self._rows[self._known.rows(pin_ids)]

    def words(self, terms: Sequence[str], k: int) -> Hits:
        """The `k` live Pins whose words match best, in no order."""
        return self._best([s.words.scores(terms) for s in self._segments], k, lambda scores: scores > 0)

    def near(self, vector: np.ndarray, k: int) -> Hits:
        """The `k` live Pins nearest to a vector (d,), in no order."""
        return self._best([s.vectors @ vector for s in self._segments], k, lambda scores: scores == scores)

    def features(self, query: str, rows: np.ndarray) -> np.ndarray:
        """Features of a query and some live Pins, float32 (n, f)."""
        return self._of(rows, lambda part, inside: part.features(query, inside))

    def grade(self, query: str, asked: Asked, rows: np.ndarray) -> np.ndarray:
        """Five probabilities of a query and some live Pins, float32 (n, 5)."""
        return self._of(rows, lambda part, inside: part.grade(query, asked, inside))

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Their vectors, float32 (n, d)."""
        return self._of(rows, lambda part, inside: part.vectors[inside])

    def ids(self, rows: np.ndarray) -> list[str]:
        """Their ids."""
        return [self._entries[row].pin.pin_id for row in rows]

    def fitting(self, rows: np.ndarray, wanted: Mapping[str, str]) -> np.ndarray:
        """Which state what is `wanted` of some columns, or nothing: bool (n,)."""
        return np.fromiter((_fits(self._entries[row].pin, wanted) for row in rows), bool, len(rows))

    def known(self, rows: np.ndarray) -> np.ndarray:
        """By which rows of the match index the signals know them, int64 (n,); −1 for new ones."""
        return np.fromiter((self._entries[row].known for row in rows), np.int64, len(rows))

    def says(self, rows: np.ndarray) -> list[dict[str, Any]]:
        """What they say, by source."""
        return [{k: v for k, v in self._entries[row].said.items() if k != "digest"} for row in rows]

    def shown(self, rows: np.ndarray) -> list[Shown]:
        """What is shown of them."""
        return [segment.shown(self._entries[row]) for row in rows]

    def _is_live(self, entry: Entry) -> bool:
        return self._live.get(entry.pin.pin_id) is entry

    def _best(self, scores: list[np.ndarray], k: int, counts: Callable[[np.ndarray], np.ndarray]) -> Hits:
        if not self._segments:
            return NONE
        found = np.concatenate(scores)[self._place]
        rows = np.flatnonzero(counts(found))
        if k < len(rows):
            rows = rows[np.argpartition(-found[rows], k)[:k]]
        return Hits(rows, found[rows].astype(np.float64))

    def _of(self, rows: np.ndarray, ask: Callable[[Segment, np.ndarray], np.ndarray]) -> np.ndarray:
        """What segments answer of their rows, put together in the order of `rows`."""
        place = self._place[rows]
        part = np.searchsorted(self._begins, place, side="right") - 1
        answers = [(part == p, ask(self._segments[p], place[part == p] - self._begins[p])) for p in np.unique(part)]
        out = np.empty((len(rows), answers[0][1].shape[1]), dtype=np.float32)
        for where, answer in answers:
            out[where] = answer
        return out


def _fits(pin: Pin, wanted: Mapping[str, str]) -> bool:
    stated = ((getattr(pin, name), value) for name, value in wanted.items())
    return all(own is None or own.lower() == value.lower() for own, value in stated)
