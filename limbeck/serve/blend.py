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

from limbeck import compiled
from limbeck.index.catalogue import Shown
from limbeck.index.store import Store
from limbeck.relevance import LEVELS
from limbeck.settings import Blend

Kinds = Sequence[tuple[float, Sequence[Hashable | None]]]  # what one more costs, and each Pin's kind; None: its own


class Blender:
    """Puts what was graded into the order in which it is shown. Threads may share it."""

    def __init__(self, settings: Blend, store: Store) -> None:
        self._settings, self._store = settings, store
        self._floors, signal = np.asarray(settings.floors, np.float64), store.signals.engagement
        self._weights = np.asarray((settings.click, settings.long_click, settings.save), np.float64)
        self._usual = float(np.asarray(signal.population.rates) @ self._weights) if signal else 0.0

    def over(self, store: Store) -> "Blender":
        """The same order over another state of the index."""
        return Blender(self._settings, store)

    def first(self, query: str, rows: np.ndarray, expected: np.ndarray, k: int) -> np.ndarray:
        """The places of the first `k` of these Pins, of expected levels (n,), in order; equal ones by pin_id."""
        asked, kinds, some = self._settings, self._kinds(rows), np.arange(len(rows))
        bands, scores = np.empty(len(rows), np.int64), np.empty(len(rows))
        _score(expected, self._floors, LEVELS[-1] + asked.engagement, bands, scores)
        if not kinds:  # engagement is read of those alone whom it could bring among the first
            some = leading(scores, k, asked.engagement)
            scores = scores[some]
        self._add_engagement(query, rows[some], scores)
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

    def _add_engagement(self, query: str, rows: np.ndarray, scores: np.ndarray) -> None:
        """Add what users are expected to do with these Pins; where there is no log, that is the same for all."""
        signal, most = self._store.signals.engagement, self._settings.engagement
        if signal and most:
            _add_shares(signal.expected(query, self._store.matched(rows)), self._weights, self._usual, most, scores)

    def _kinds(self, rows: np.ndarray) -> Kinds:
        """What Pins are to differ in; nothing is read for what costs nothing."""
        kinds: list[tuple[float, Sequence[Hashable | None]]] = []
        if self._settings.board:
            said = self._store.says(rows)
            kinds.append((self._settings.board, [next(iter(pin["board_titles"]), None) for pin in said]))
        if self._settings.domain:
            kinds.append((self._settings.domain, [domain(pin) for pin in self._store.shown(rows)]))
        return kinds


@compiled.kernel
def _score(expected, floors, apart, bands, scores):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The band of each expected level, and its score: no score of a band reaches the next one's."""
    for i in range(len(expected)):
        band = 0
        for floor in floors:
            band += floor <= expected[i]
        bands[i], scores[i] = band, expected[i] + band * apart


@compiled.kernel
def _add_shares(rates, weights, usual, most, scores):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Add to each score a part of `most`: v / (v + u) of its worth v, and half where nothing has any worth."""
    for i in range(len(scores)):
        worth = 0.0
        for j in range(len(weights)):
            worth += rates[i, j] * weights[j]
        scores[i] += most * (worth / (worth + usual) if worth + usual > 0 else 0.5)


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
