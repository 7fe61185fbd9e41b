"""What the student learns from, laid out for training: distinct texts once, pairs as numbers into them, features."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from limbeck.progress import track
from limbeck.relevance import from_columns
from limbeck.signals.signal import Group, Read
from limbeck.student.grade import Features
from limbeck.student.vectors import Vectors

ROWS_PER_BATCH = 65_536


@dataclass(frozen=True)
class Texts:
    """The distinct texts of one side of the pairs, and their untuned vectors."""

    texts: Sequence[str]
    base: np.ndarray  # float32 (texts, backbone size)


@dataclass(frozen=True)
class Examples:
    """Pairs to learn from: numbers of query and Pin (n,), features (n, f), probabilities to reach (n, 5), weights."""

    query: np.ndarray
    pin: np.ndarray
    features: np.ndarray
    target: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.query)

    def some(self, most: int, seed: int) -> "Examples":
        """At most so many of the pairs, drawn at random."""
        if len(self) <= most:
            return self
        drawn = np.sort(np.random.default_rng(seed).choice(len(self), most, replace=False))
        return Examples(*(of[drawn] for of in (self.query, self.pin, self.features, self.target, self.weight)))


class Lessons:
    """All queries and Pins that any training of this run touches: each text is embedded once for all of them."""

    def __init__(
        self,
        pairs: Sequence[pa.Table],
        texts: pa.Table,
        match: Features,
        read: Read,
        base: Vectors,
        left_out: Collection[str] = (),
    ) -> None:
        """`texts` has pin_id and text; `read` and `base` give untuned vectors of queries and of Pins."""
        queries = sorted({q for p in pairs for q in p.column("query").unique().to_pylist()})
        pins = sorted({i for p in pairs for i in p.column("pin_id").unique().to_pylist()})
        text = dict(zip(texts.column("pin_id").to_pylist(), texts.column("text").to_pylist()))
        self._numbered = {"query": pa.array(queries, pa.string()), "pin_id": pa.array(pins, pa.string())}
        self._match = match
        self.left_out = frozenset(left_out)  # names of features that nothing is to be learnt from
        self.queries = Texts(queries, read(queries))
        self.pins = Texts([text.get(p, "") for p in pins], base.of(pins))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features."""
        return self._match.names

    @property
    def groups(self) -> tuple[Group, ...]:
        """Which of the last features are those of signals, and may be missing together."""
        return self._match.groups

    def examples(self, pairs: pa.Table, file: Path | None = None) -> Examples:
        """Pairs with p1…p5 as numbers, features and targets; their weights, which are one without such a column.

        Features are worked out query by query, as what a query asks for takes longer than one pair of it. They are most
        of what many pairs take: kept in a file where one is given, and read from it as needed.
        """
        query, pin = (self._numbers(pairs, side) for side in ("query", "pin_id"))
        order, size = np.argsort(query, kind="stable"), len(self._match.names)
        features = _room((len(order), size), file)
        with track("features", len(order), "pairs") as advance:
            for begin in range(0, len(order), ROWS_PER_BATCH):
                some = np.sort(order[begin : begin + ROWS_PER_BATCH])  # as they lie on the disk, if they do
                features[some] = self._features(query[some], pin[some])
                advance(len(some))
        weighted = "weight" in pairs.column_names
        weight = pairs.column("weight").to_numpy() if weighted else np.ones(len(order))
        return Examples(query, pin, features, from_columns(pairs), weight.astype(np.float32))

    def _features(self, query: np.ndarray, pin: np.ndarray) -> np.ndarray:
        """Features, float32 (n, f), of pairs given by their numbers."""
        queries, pins = self._numbered["query"].take(pa.array(query)), self._numbered["pin_id"].take(pa.array(pin))
        return self._match.pairs(queries.to_pylist(), self._match.rows(pins.to_pylist()))

    def _numbers(self, pairs: pa.Table, side: str) -> np.ndarray:
        """Which of the texts of a side each pair has, int64 (n,)."""
        return pc.index_in(pairs.column(side), self._numbered[side]).to_numpy().astype(np.int64)


def _room(size: tuple[int, int], file: Path | None) -> np.ndarray:
    """Float32 numbers to be filled in, in a file where one is given; an empty array cannot be mapped."""
    return np.lib.format.open_memmap(file, "w+", np.float32, size) if file and all(size) else np.empty(size, np.float32)
