"""The order of search results: relevance, what users are expected to do with a Pin, and, if asked, variety.

    score = expected level + engagement × v / (v + u) − board × b − domain × d

v is what the Pin is expected to be worth per look (clicks, long clicks and saves, weighted), u what a usual Pin is; b
and d count the Pins already placed that share its board or its link's domain. Floors cut the expected level into bands,
and a Pin of a lower band never comes before one of a higher band, whatever its score.
"""

import heapq
from collections import Counter
from collections.abc import Hashable, Sequence
from urllib.parse import urlsplit

import numpy as np

from limbeck.index.catalogue import Shown
from limbeck.index.store import Store
from limbeck.relevance import LEVELS
from limbeck.settings import Blend

Kinds = Sequence[tuple[float, Sequence[Hashable | None]]]  # what one more costs, and each Pin's kind; None: its own


class Blender:
    """Puts what was graded into the order in which it is shown. Threads may share it."""

    def __init__(self, settings: Blend, store: Store) -> None:
        self._settings, self._store = settings, store

    def over(self, store: Store) -> "Blender":
        """The same order over another state of the index."""
        return Blender(self._settings, store)

    def first(self, query: str, rows: np.ndarray, expected: np.ndarray, k: int) -> np.ndarray:
        """The places of the first `k` of these Pins, of expected levels (n,), in order; equal ones by pin_id."""
        asked, kinds = self._settings, self._kinds(rows)
        bands, some = np.searchsorted(asked.floors, expected, "right"), np.arange(len(rows))
        scores = expected + bands * (LEVELS[-1] + asked.engagement)  # no score of a band reaches the next one's
        if not kinds:  # engagement is read of those alone whom it could bring among the first
            some = leading(scores, k, asked.engagement)
        scores = scores[some]
        if asked.engagement:
            scores = scores + asked.engagement * self._engagement(query, rows[some])
        if not kinds:
            left = leading(scores, k)
            some, scores = some[left], scores[left]
        order = self._in_order(rows[some], scores)
        return some[varied(order, scores.tolist(), bands[some].tolist(), kinds, k) if kinds else order[:k]]

    def _in_order(self, rows: np.ndarray, scores: np.ndarray) -> Sequence[int]:
        """Places by score, highest first; equal ones by pin_id, which is read where there are such."""
        order = np.argsort(-scores)
        if (np.diff(scores[order]) != 0).all():
            return order.tolist()
        names = self._store.ids(rows)
        return sorted(order.tolist(), key=lambda i: (-scores[i], names[i]))

    def _engagement(self, query: str, rows: np.ndarray) -> np.ndarray:
        """Expected worth as a share, (n,); the same for all where there is no log."""
        signal, asked = self._store.signals.engagement, self._settings
        if signal is None:
            return np.full(len(rows), 0.5)
        weights = np.asarray((asked.click, asked.long_click, asked.save))
        worth = signal.expected(query, self._store.matched(rows)) @ weights
        return share(worth, float(np.asarray(signal.population.rates) @ weights))

    def _kinds(self, rows: np.ndarray) -> Kinds:
        """What Pins are to differ in; nothing is read for what costs nothing."""
        kinds: list[tuple[float, Sequence[Hashable | None]]] = []
        if self._settings.board:
            said = self._store.says(rows)
            kinds.append((self._settings.board, [next(iter(pin["board_titles"]), None) for pin in said]))
        if self._settings.domain:
            kinds.append((self._settings.domain, [domain(pin) for pin in self._store.shown(rows)]))
        return kinds


def share(worth: np.ndarray, usual: float) -> np.ndarray:
    """v / (v + u) of each worth v (n,), u being that of a usual Pin: 0.5 for one, and where nothing has any worth."""
    total = worth + usual
    return np.divide(worth, total, out=np.full(len(worth), 0.5), where=total > 0)


def leading(scores: np.ndarray, k: int, lift: float = 0.0) -> np.ndarray:
    """Which may be among the first `k` by score if each score can still grow by up to `lift`, ascending.

    More than `k` of them where equal ones are on the edge.
    """
    if not 0 < k < len(scores):
        return np.arange(len(scores))
    return np.flatnonzero(scores + lift >= np.partition(scores, -k)[-k])


def varied(order: Sequence[int], scores: Sequence[float], bands: Sequence[int], kinds: Kinds, k: int) -> list[int]:
    """The first `k` of an order by score, band by band: a Pin loses by each one placed before it of the same kind.

    What a Pin loses only grows, so that whichever leads with what it has lost by now is the next one.
    """
    placed: list[Counter[Hashable]] = [Counter() for _ in kinds]
    waiting = [(-bands[i], -scores[i], place, i) for place, i in enumerate(order)]
    heapq.heapify(waiting)
    found: list[int] = []
    while waiting and len(found) < k:
        band, lost, place, i = heapq.heappop(waiting)
        now = -scores[i] + sum(cost * placed[n][kind[i]] for n, (cost, kind) in enumerate(kinds))
        if now > lost:
            heapq.heappush(waiting, (band, now, place, i))
            continue
        found.append(i)
        for n, (_, kind) in enumerate(kinds):
            if kind[i] is not None:
                placed[n][kind[i]] += 1
    return found


def domain(pin: Shown) -> str | None:
    """The host that a Pin links to, without "www."; None where it links to none."""
    try:
        host = urlsplit(pin.link or "").hostname
    except ValueError:
        return None
    return host.removeprefix("www.") if host else None
