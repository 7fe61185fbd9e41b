"""Arithmetic on five-level relevance, the protocol of everything that grades, and the fixed split of queries.

A *distribution* is a float32 array (n, 5): the probabilities of levels 1 to 5, each row summing to one.
"""

import hashlib
from typing import Protocol

import numpy as np
import pyarrow as pa

from limbeck.records import PROBABILITIES

LEVELS = (1, 2, 3, 4, 5)
LEVEL_NAMES = {
    5: "highly relevant",
    4: "relevant",
    3: "marginally relevant or complementary",
    2: "irrelevant",
    1: "highly irrelevant",
}


class Grader(Protocol):
    """Whatever answers (query, Pin) pairs with probabilities of the five levels."""

    name: str

    def grade(self, pairs: pa.Table) -> np.ndarray:
        """Grade the `query` and `pin_id` columns of `pairs`: float32 (n, 5), in the order of the rows."""
        ...


def expected_level(distribution: np.ndarray) -> np.ndarray:
    """The single number made at the very end: sum of level × probability, (n,), 1.0 to 5.0."""
    return np.asarray(distribution, dtype=np.float32) @ np.asarray(LEVELS, dtype=np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Row-wise softmax of (n, k) logits, float32."""
    columns = np.array(logits.T, order="C")  # NumPy is several times as fast along rows that are long
    columns = np.exp(np.float32(1) * (columns - columns.max(axis=0)))
    return np.ascontiguousarray((columns / columns.sum(axis=0)).astype(np.float32).T)


def from_columns(table: pa.Table) -> np.ndarray:
    """The columns p1…p5 as one (n, 5) array."""
    return np.stack([table.column(p).to_numpy() for p in PROBABILITIES], axis=1).astype(np.float32)


def to_columns(distribution: np.ndarray) -> dict[str, pa.Array]:
    """A (n, 5) array as columns p1…p5."""
    return {p: pa.array(np.ascontiguousarray(distribution[:, i]), pa.float32()) for i, p in enumerate(PROBABILITIES)}


def aggregate(judgments: pa.Table) -> pa.Table:
    """Judgments by several raters as one row per pair: query, pin_id, language, country, raters, p1…p5.

    Rows are sorted by (query, pin_id), so that whatever is fitted on them does not depend on the order of the files.
    """
    level = np.asarray(judgments.column("level"))
    rows = judgments.select(["query", "pin_id", "language", "country"])
    for number, p in zip(LEVELS, PROBABILITIES):
        rows = rows.append_column(p, pa.array((level == number).astype(np.float64)))
    asked = [("language", "min"), ("country", "min"), ("p1", "count"), *((p, "mean") for p in PROBABILITIES)]
    merged = rows.group_by(["query", "pin_id"]).aggregate(asked)
    names = ["query", "pin_id", "language", "country", "raters", *PROBABILITIES]
    merged = merged.select(["query", "pin_id", *(f"{c}_{f}" for c, f in asked)]).rename_columns(names)
    types = [pa.float32() if n in PROBABILITIES else merged.schema.field(n).type for n in names]
    return merged.cast(pa.schema(list(zip(names, types)))).sort_by([("query", "ascending"), ("pin_id", "ascending")])


def normalise_query(query: str) -> str:
    """The form under which two spellings count as the same query: trimmed, lower case."""
    return query.strip().lower()


def fold(query: str) -> int:
    """A fixed number 0–9 for a query, the same on every machine: MD5 of the normalised query, modulo ten."""
    return int(hashlib.md5(normalise_query(query).encode(), usedforsecurity=False).hexdigest(), 16) % 10


class Split:
    """Which queries train (folds 3–9), validate (2) and test (0–1). Queries of a held-out table only ever test."""

    def __init__(self, heldout: pa.Table | None = None) -> None:
        queries = [] if heldout is None else heldout.column("query").unique().to_pylist()
        self._heldout = frozenset(map(normalise_query, queries))

    def of(self, query: str) -> str:
        """Return "train", "valid" or "test"."""
        number = fold(query)
        if number < 2 or normalise_query(query) in self._heldout:
            return "test"
        return "valid" if number == 2 else "train"

    def select(self, rows: pa.Table, part: str) -> pa.Table:
        """The rows of `rows` (with a `query` column) whose query belongs to `part`."""
        parts = {q: self.of(q) for q in rows.column("query").unique().to_pylist()}
        return rows.filter(pa.array([parts[q] == part for q in rows.column("query").to_pylist()], pa.bool_()))
