"""A store of which some Pins are live: to whoever asks it, they are Pins as all the others."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np

from limbeck.errors import WorkspaceError
from limbeck.index.catalogue import Shown
from limbeck.index.lexical import query_terms
from limbeck.index.own import OwnWords
from limbeck.index.sides import Hits, Near, Words
from limbeck.index.store import Stage, Store
from limbeck.live.fold import folded
from limbeck.live.journal import Journal, net
from limbeck.live.overlay import UNTOLD, Overlay
from limbeck.workspace import Workspace

MOST = 10_000  # hits that are asked for where many Pins are hidden: OpenSearch gives no more


@dataclass(frozen=True, eq=False)
class LiveStore(Store):
    """The rows of the index come first, then those of the live Pins, whose ids hide what the index has of them."""

    base: Store
    overlay: Overlay
    contained: str  # the digest of the journal's last line that the index was made with
    hidden: int  # Pins of the index that are changed or deleted

    @classmethod
    def over(cls, base: Store, overlay: Overlay, contained: str) -> "LiveStore":
        """An index with what is live over it."""
        parts = {field.name: getattr(base, field.name) for field in dataclasses.fields(Store)}
        changed = base.rows(list(overlay.rows))
        shown = np.ones(len(base.match_rows), dtype=bool)
        shown[changed[changed >= 0]] = False
        over = _Over(overlay, shown, hidden := int((changed >= 0).sum()))
        alike = isinstance(base.lexical, OwnWords)  # else an engine outside scores words, on a scale of its own
        sides = {"lexical": _Words(base.lexical, over, alike), "nearest": _Near(base.nearest, over)}
        parts |= {**cast(Any, sides), "hidden": hidden}
        return cls(**parts, base=base, overlay=overlay, contained=contained)

    def __len__(self) -> int:
        return len(self.base) - self.hidden + len(self.overlay)

    def rows(self, pin_ids: Sequence[str]) -> np.ndarray:
        """As `Store.rows`."""
        rows = self.base.rows(pin_ids)
        if not self.overlay.rows:
            return rows
        live = self.overlay.rows_of(pin_ids)
        return np.where(live == UNTOLD, rows, np.where(live >= 0, self._first + live, -1))

    def shown(self, rows: np.ndarray) -> list[Shown]:
        """As `Store.shown`."""
        return self._listed(rows, self.base.shown, self.overlay.shown)

    def told(self, rows: np.ndarray) -> Sequence[bytes | memoryview]:
        """As `Store.told`."""
        return self._listed(rows, self.base.told, lambda live: list(map(msgspec.json.encode, self.overlay.shown(live))))

    def fitting(self, rows: np.ndarray, wanted: Mapping[str, str]) -> np.ndarray:
        """As `Store.fitting`."""
        live, out = rows >= self._first, np.empty(len(rows), dtype=bool)
        out[~live] = self.base.fitting(rows[~live], wanted)
        out[live] = self.overlay.fitting(rows[live] - self._first, wanted)
        return out

    def ids(self, rows: np.ndarray) -> list[str]:
        """As `Store.ids`."""
        return self._listed(rows, self.base.ids, self.overlay.ids)

    def matched(self, rows: np.ndarray) -> np.ndarray:
        """As `Store.matched`."""
        live = rows >= self._first
        if not live.any():
            return self.base.matched(rows)
        out = np.empty(len(rows), dtype=np.int64)
        out[~live], out[live] = self.base.matched(rows[~live]), self.overlay.known(rows[live] - self._first)
        return out

    def says(self, rows: np.ndarray) -> list[dict[str, Any]]:
        """As `Store.says`."""
        return self._listed(rows, self.base.says, self.overlay.says)

    def said(self, rows: np.ndarray) -> Sequence[str | None]:
        """As `Store.said`."""
        return self._listed(rows, self.base.said, lambda live_rows: [None] * len(live_rows))

    def vectors_of(self, rows: np.ndarray) -> np.ndarray:
        """As `Store.vectors_of`."""
        live = rows >= self._first
        return _laid(live, self.base.vectors_of(rows[~live]), self.overlay.vectors, rows[live] - self._first)

    def features(self, query: str, rows: np.ndarray) -> np.ndarray:
        """As `Store.features`."""
        live = rows >= self._first
        found = self.base.features(query, rows[~live])
        return _laid(live, found, lambda live_rows: self.overlay.features(query, live_rows), rows[live] - self._first)

    def grade(self, query: str, vector: np.ndarray, rows: np.ndarray, stage: Stage = nullcontext) -> np.ndarray:
        """As `Store.grade`."""
        live = rows >= self._first
        if not live.any():
            return self.base.grade(query, vector, rows, stage)
        found = self.base.grade(query, vector, rows[~live], stage)
        with stage("grade"):
            ask = functools.partial(self.overlay.grade, query, self.base.asked(query, vector))
            return _laid(live, found, ask, rows[live] - self._first)

    @property
    def _first(self) -> int:
        """The row of the first live Pin."""
        return len(self.base.match_rows)

    def _listed(self, rows: np.ndarray, of_base: Any, of_live: Any) -> list[Any]:
        live = rows >= self._first
        if not live.any():
            return list(of_base(rows))
        found, ours = iter(of_base(rows[~live])), iter(of_live(rows[live] - self._first))
        return [next(ours if is_live else found) for is_live in live]


def open(base: Store, ws: Workspace, journal: Journal) -> LiveStore:
    """An index and all of the journal that it was not yet made with."""
    contained = folded(ws)
    return caught_up(LiveStore.over(base, Overlay(end=journal.position_of(contained)), contained), journal)


def caught_up(store: LiveStore, journal: Journal) -> LiveStore:
    """The store with what was written since; itself where nothing was."""
    if not journal.grown(store.overlay.end):
        return store
    overlay = store.overlay
    try:
        requests, end = journal.after(overlay.end)
    except WorkspaceError:  # lines were taken back that had been read already: begin again
        overlay = Overlay(end=journal.position_of(store.contained))
        requests, end = journal.after(overlay.end)
    if end == store.overlay.end:
        return store
    return LiveStore.over(store.base, overlay.after(store.base, net(requests), end), store.contained)


class _Over(NamedTuple):
    """What is live over an index."""

    overlay: Overlay
    shown: np.ndarray  # whether each Pin of the index is as the index has it, bool (n,)
    hidden: int  # how many are not

    def left(self, ask: Callable[[int], Hits], k: int) -> Hits:
        """The first `k` or more of those that the index finds as it has them, if there are so many."""
        for most in (k + min(k, self.hidden), min(k + self.hidden, max(MOST, 2 * k))):
            found = ask(most)
            left = found.those(self.shown[found.rows])
            if len(left.rows) >= k or len(found.rows) < most:
                break
        return left

    def merged(self, of_base: Hits, of_live: Hits, k: int) -> Hits:
        """The first `k` of both."""
        return of_base.beside(Hits(of_live.rows + len(self.shown), of_live.scores)).best(k)


class _Words:
    """The lexical index, its hits and the live ones in one order."""

    def __init__(self, base: Words, over: _Over, alike: bool) -> None:
        """`alike`: the index's scores are such as live Pins have."""
        self._base, self._over, self._alike = base, over, alike

    def search(self, query: str, k: int) -> Hits:
        """As `Words.search`. Scores that are not alike give way to one over the rank."""
        over = self._over
        if not over.overlay.rows:
            return self._base.search(query, k)
        found = over.left(functools.partial(self._base.search, query), k)
        ours = over.overlay.words(query_terms(query), k)
        return over.merged(found, ours, k) if self._alike else over.merged(_by_rank(found), _by_rank(ours), k)


class _Near:
    """The index of vectors, its hits and the live ones in one order."""

    def __init__(self, base: Near, over: _Over) -> None:
        self._base, self._over = base, over

    def search(self, vector: np.ndarray, k: int) -> Hits:
        """As `Near.search`."""
        over = self._over
        if not over.overlay.rows:
            return self._base.search(vector, k)
        return over.merged(over.left(functools.partial(self._base.search, vector), k), over.overlay.near(vector, k), k)


def _by_rank(hits: Hits) -> Hits:
    """The same Pins, scored by their place alone."""
    ordered = hits.best(len(hits.rows))
    return Hits(ordered.rows, 1 / np.arange(1, len(ordered.rows) + 1))


def _laid(live: np.ndarray, of_base: np.ndarray, of_live: Any, live_rows: np.ndarray) -> np.ndarray:
    """Rows of the index and live ones in the order in which they were asked for."""
    if not live.any():
        return of_base
    out = np.empty((len(live), of_base.shape[1]), dtype=np.float32)
    out[~live], out[live] = of_base, of_live(live_rows)
    return out
