"""What the student learns from, laid out for training: distinct texts once, pairs as numbers into them, features."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from limbeck.progress import track
from limbeck.relevance import from_columns
from limbeck.signals.signal import Group, Read
from limbeck.student.encode import Vectors
from limbeck.student.grade import Features

ROWS_PER_BATCH = 16_384


@dataclass(frozen=True)
class Texts:
    """The distinct texts of one side of the pairs, and their untuned vectors where only the projection is trained."""

    texts: Sequence[str]
    base: np.ndarray | None  # float32 (texts, backbone size)


@dataclass(frozen=True)
class Examples:
    """Pairs to learn from: numbers of query and Pin (n,), features (n, f), probabilities to reach (n, 5)."""

    query: np.ndarray
    pin: np.ndarray
    features: np.ndarray
    target: np.ndarray

    def __len__(self) -> int:
        return len(self.query)


class Lessons:
    """All queries and Pins that any training of this run touches: each text is embedded once for all of them."""

    def __init__(
        self,
        pairs: Sequence[pa.Table],
        texts: pa.Table,
        match: Features,
        read: Read | None,
        base: Vectors,
        left_out: Collection[str] = (),
    ) -> None:
        """`texts` has pin_id and text; `read` and `base` give untuned vectors of queries and of Pins.

        Where nothing reads, the backbone is to be tuned and reads the texts itself.
        """
        queries = sorted({q for p in pairs for q in p.column("query").unique().to_pylist()})
        pins = sorted({i for p in pairs for i in p.column("pin_id").unique().to_pylist()})
        text = dict(zip(texts.column("pin_id").to_pylist(), texts.column("text").to_pylist()))
        self._query = {q: i for i, q in enumerate(queries)}
        self._pin = {p: i for i, p in enumerate(pins)}
        self._match = match
        self.left_out = frozenset(left_out)  # names of features that nothing is to be learnt from
        self.queries = Texts(queries, read(queries) if read else None)
        self.pins = Texts([text.get(p, "") for p in pins], base.of(pins) if read else None)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features."""
        return self._match.names

    @property
    def groups(self) -> tuple[Group, ...]:
        """Which of the last features are those of signals, and may be missing together."""
        return self._match.groups

    def examples(self, pairs: pa.Table) -> Examples:
        """Pairs with p1…p5 as numbers, features and targets."""
        queries, pins = pairs.column("query").to_pylist(), pairs.column("pin_id").to_pylist()
        rows = self._match.rows(pins)
        features = [np.zeros((0, len(self._match.names)), np.float32)]
        with track("features", len(queries), "pairs") as advance:
            for begin in range(0, len(queries), ROWS_PER_BATCH):
                some = slice(begin, begin + ROWS_PER_BATCH)
                features.append(self._match.pairs(queries[some], rows[some]))
                advance(len(queries[some]))
        query = np.fromiter((self._query[q] for q in queries), np.int64, len(queries))
        pin = np.fromiter((self._pin[p] for p in pins), np.int64, len(pins))
        return Examples(query, pin, np.concatenate(features), from_columns(pairs))
