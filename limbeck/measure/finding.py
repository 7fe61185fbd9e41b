"""How well what was held out is found again: where it stands among all items by likeness, and the recall at a depth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limbeck.measure import intervals

ROWS_AT_ONCE = 256  # askers whose likeness to all items is held at once


@dataclass(frozen=True)
class Recall:
    """The share of askers whose held-out item is among the first `depth`, with its interval by bootstrap over them."""

    depth: int
    value: float
    low: float
    high: float


def places(asking: np.ndarray, items: np.ndarray, wanted: np.ndarray, known: Sequence[np.ndarray]) -> np.ndarray:
    """Where each asker's `wanted` item (a,) stands among the items, from 0, by inner product: float64 (a,).

    `asking` (a, d) and `items` (n, d) are vectors; the items that an asker has already, `known`, do not count. Among
    equals, the wanted one stands in the middle, so that vectors that tell nothing find it by luck alone.
    """
    found = np.empty(len(asking))
    for begin in range(0, len(asking), ROWS_AT_ONCE):
        likeness = asking[begin : begin + ROWS_AT_ONCE] @ items.T
        for row, scores in enumerate(likeness, begin):
            own = scores[wanted[row]]
            scores[known[row]] = -np.inf
            scores[wanted[row]] = -np.inf
            found[row] = (scores > own).sum() + (scores == own).sum() / 2
    return found


def recalls(places: np.ndarray, depths: Sequence[int], times: int, confidence: float, seed: int) -> list[Recall]:
    """Recall at each depth, each asker having one item to find; NaNs where nobody asks."""
    if not len(places):
        return [Recall(depth, *(float("nan"),) * 3) for depth in depths]
    hits = np.stack([places < depth for depth in depths], axis=1).astype(np.float64)
    drawn = intervals.resamples(len(places), times, len(places), seed)
    resampled = np.concatenate([weights @ hits for weights in drawn]) / len(places)
    return [
        Recall(depth, float(value), *intervals.interval(float(value), column, confidence))
        for depth, value, column in zip(depths, hits.mean(axis=0), resampled.T)
    ]
