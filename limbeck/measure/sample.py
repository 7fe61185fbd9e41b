"""Held-out labels as arrays: the true level of each pair, and which query it belongs to."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from limbeck.errors import InputError
from limbeck.measure.metrics import Floats, Ints
from limbeck.records import PROBABILITIES
from limbeck.relevance import LEVELS

_HALF = 1e-4  # shares of raters are float32


@dataclass(frozen=True)
class Sample:
    """Pairs sorted by query. `query` numbers the queries 0 …; `mean` is the raters' mean level."""

    query: Ints
    level: Ints
    mean: Floats
    counts: Floats  # (n, 5): raters per level
    queries: int

    def __len__(self) -> int:
        return len(self.query)

    def restrict(self, keep: np.ndarray) -> "Sample":
        """The pairs where `keep` is true, their queries numbered anew."""
        present, query = np.unique(self.query[keep], return_inverse=True)
        parts = {f: getattr(self, f)[keep] for f in ("level", "mean", "counts")}
        return dataclasses.replace(self, query=query, queries=len(present), **parts)


def median_level(counts: Floats) -> Ints:
    """The median of the raters' levels, (n,), from raters per level (or their shares), (n, 5).

    Where it falls on a half, it is rounded towards the mean, and down where the mean is on that half too.
    """
    share = counts / counts.sum(axis=1, keepdims=True)
    upto = np.cumsum(share, axis=1)
    lower = (upto < 0.5 - _HALF).sum(axis=1) + 1
    upper = (upto < 0.5 + _HALF).sum(axis=1) + 1
    middle, mean = (lower + upper) / 2, share @ np.asarray(LEVELS, np.float64)
    up = (middle % 1 != 0) & (mean > middle + _HALF)
    return np.where(up, np.ceil(middle), np.floor(middle)).astype(np.int64)


def canonical_order(truth: pa.Table) -> np.ndarray:
    """The order of rows by (query, pin_id): results never depend on the order in which rows arrive."""
    order = pc.sort_indices(truth.select(["query", "pin_id"]), [("query", "ascending"), ("pin_id", "ascending")])
    return order.to_numpy()


def from_truth(truth: pa.Table) -> Sample:
    """The sample of an aggregated judgments table that is in canonical order; `InputError` where it is empty."""
    if truth.num_rows == 0:
        raise InputError("no held-out judgments to measure on", remedy="Map some as the heldout table")
    shares = np.stack([truth.column(p).to_numpy() for p in PROBABILITIES], axis=1).astype(np.float64)
    counts = np.round(shares * truth.column("raters").to_numpy()[:, None])
    query = truth.column("query").combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    mean = (counts * LEVELS).sum(axis=1) / counts.sum(axis=1)  # of whole numbers: equal means tie exactly
    return Sample(query, median_level(counts), mean, counts, int(query[-1]) + 1)


def ordered_grades(grades: Mapping[str, np.ndarray], order: np.ndarray) -> dict[str, Floats]:
    """Each grader's probabilities as float64 in this order; `ValueError` where their shape or values cannot be."""
    for name, distribution in grades.items():
        if distribution.shape != (len(order), len(LEVELS)):
            raise ValueError(f"{name}: grades have shape {distribution.shape}, not ({len(order)}, {len(LEVELS)})")
        if not np.isfinite(distribution).all() or (np.abs(distribution.sum(axis=1) - 1) > 1e-3).any():
            raise ValueError(f"{name}: grades are not probabilities of five levels")
    return {name: np.asarray(distribution, np.float64)[order] for name, distribution in grades.items()}


def expected(distribution: Floats) -> Floats:
    """Expected level, (n,): summed per row, so that equal rows tie to the last bit wherever they stand."""
    return (distribution * LEVELS).sum(axis=1)
