"""What the model saw of every Pin that was answered with, kept as Parquet for the next training run.

Answers wait in a bounded queue for a thread that writes them; when it is full, they are left out and counted, and no
request waits. A file is there whole or not at all, and a new one is begun every so many rows or seconds.
`signals/logged.py` reads them.
"""

import contextlib
import hashlib
import json
import os
import queue
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from limbeck.errors import InputError
from limbeck.index.store import Store
from limbeck.records import PROBABILITIES
from limbeck.serve import observed
from limbeck.serve.ranked import Graded
from limbeck.serve.ranker import Ranker
from limbeck.signals.logged import NAMES, VERSIONS

WAITING = 1_000  # answers
ROWS_PER_FILE = 50_000
SECONDS_PER_FILE = 60.0
SCHEMA = pa.schema(
    [
        ("search_id", pa.string()),
        ("searched_at", pa.timestamp("us", tz="UTC")),
        ("country", pa.string()),
        ("language", pa.string()),
        ("query", pa.string()),
        ("pin_id", pa.string()),
        ("position", pa.int32()),
        ("grader", pa.string()),
        *((name, pa.float32()) for name in PROBABILITIES),
        ("vectors", pa.string()),
        ("text", pa.string()),
        ("features", pa.list_(pa.float32())),
    ]
)


@dataclass(frozen=True)
class Answer:
    """One answer: who asked for what, the Pins in their order, and what was seen of them, row for row."""

    search_id: str
    query: str
    language: str | None
    country: str | None
    pins: Sequence[str]
    model: str
    metadata: Mapping[bytes, str]  # of the file: the features' names, and by which versions they were made
    texts: Sequence[str | None]  # the digest of what each Pin says; None of live ones
    query_vector: np.ndarray  # (1, d)
    pin_vectors: np.ndarray  # (n, d)
    features: np.ndarray  # (n, f)
    probabilities: np.ndarray  # (n, 5)
    at: datetime

    @classmethod
    def of(
        cls, asked: tuple[str, str, str | None, str | None], ranker: Ranker, seen: Graded, pins: Sequence[str]
    ) -> "Answer":
        """`asked` is the request's id, query, language and country; `pins` are those of `seen` that were answered."""
        search_id, query, language, country = asked
        rows = ranker.store.rows(pins)
        place = {row: i for i, row in enumerate(seen.rows.tolist())}
        chosen = np.fromiter((place[row] for row in rows.tolist()), np.int64, len(rows))
        return cls(
            search_id, query, language, country, pins, ranker.model, told_by(ranker.store), ranker.store.said(rows),
            seen.query, ranker.store.vectors_of(rows), seen.features[chosen], seen.probabilities[chosen],
            datetime.now(UTC),
        )  # fmt: skip

    def table(self) -> pa.Table:
        """A row for each Pin."""
        count = len(self.pins)
        same = (self.search_id, self.at, self.country, self.language, self.query)
        columns: dict[str, list[Any]] = {name: [value] * count for name, value in zip(SCHEMA.names, same)}
        columns |= {"pin_id": list(self.pins), "position": list(range(1, count + 1)), "grader": [self.model] * count}
        columns |= dict(zip(PROBABILITIES, self.probabilities.T.tolist()))
        columns["vectors"] = [_digest(self.query_vector[0], vector) for vector in self.pin_vectors]
        columns["text"] = list(self.texts)
        columns["features"] = list(self.features)
        return pa.table(columns, schema=SCHEMA)


class FeatureLog:
    """A folder of such files, and the thread that writes them."""

    def __init__(self, folder: Path, rows: int = ROWS_PER_FILE, seconds: float = SECONDS_PER_FILE) -> None:
        """`InputError` where the folder cannot be made or written to."""
        self._folder, self._rows, self._seconds = folder, rows, seconds
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f".{uuid.uuid4().hex}.partial"
            probe.touch()
            probe.unlink()
        except OSError as error:
            remedy = "Name another folder under serve.feature_log, or leave it out"
            raise InputError(f"cannot be written to: {error.strerror}", file=folder, remedy=remedy) from None
        self._waiting: queue.Queue[Answer | None] = queue.Queue(WAITING)
        self.dropped = self.written = 0  # answers; Pins
        self._thread = threading.Thread(target=self._write_on, name="feature log", daemon=True)
        self._thread.start()

    def put(self, answer: Answer) -> None:
        """Keep an answer, if there is room."""
        try:
            self._waiting.put_nowait(answer)
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Write what waits, and return when it is there."""
        self._waiting.put(None)
        self._thread.join()

    def _write_on(self) -> None:
        held: list[pa.Table] = []
        told: Mapping[bytes, str] = {}
        until = time.monotonic() + self._seconds
        while True:
            answer, late = self._next(until)
            if held and (late or answer is None or answer.metadata != told or sum(map(len, held)) >= self._rows):
                self._write(pa.concat_tables(held), told)
                held = []
            if late or not held:
                until = time.monotonic() + self._seconds
            if late:
                continue
            if answer is None:
                return
            told = answer.metadata
            held.append(answer.table())

    def _next(self, until: float) -> tuple[Answer | None, bool]:
        """The next answer, and whether it is too late to wait for one."""
        try:
            return self._waiting.get(timeout=max(0.0, until - time.monotonic())), False
        except queue.Empty:
            return None, True

    def _write(self, rows: pa.Table, told: Mapping[bytes, str]) -> None:
        """A file, whole or not at all; what cannot be written is counted and said."""
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}.parquet"
        partial = self._folder / f".{name}.partial"
        try:
            with open(partial, "wb") as file:
                pq.write_table(rows.replace_schema_metadata(told), file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
            os.rename(partial, self._folder / name)
            self.written += rows.num_rows
        except OSError as error:
            with contextlib.suppress(OSError):
                partial.unlink()
            self.dropped += len(set(rows.column("search_id").to_pylist()))
            observed.log.info(json.dumps({"feature_log": "not written", "reason": str(error)}))


def told_by(store: Store) -> Mapping[bytes, str]:
    """What a file says of the features of its rows, in JSON: their names, and by which versions they were made."""
    return {NAMES: json.dumps(store.signals.names), VERSIONS: json.dumps(store.versions)}


def _digest(*vectors: np.ndarray) -> str:
    return hashlib.sha256(b"".join(v.astype("<f4").tobytes() for v in vectors)).hexdigest()[:16]
