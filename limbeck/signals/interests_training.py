"""Learning what Pins and queries are about, and whether they are for shopping.

A query that the table does not name teaches the model by the classes of the Pins that people acted on for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from limbeck.relevance import normalise_query
from limbeck.signals import classifier_training, taxonomy
from limbeck.signals.interests import PINS, SIZE, SUMMARY, Models, Summary
from limbeck.signals.signal import Read

MOST_QUERIES = 20_000  # of the log, that are learnt from
COLUMNS = ("interest", "shopping")  # of the table


@dataclass(frozen=True)
class Evidence:
    """What is known of classes: the table of interests, and the pairs that people acted on (query, pin_id, weight)."""

    told: pa.Table
    engaged: pa.Table

    def queries(self, seed: int) -> tuple[list[str], list[str]]:
        """The queries of the table, and after those some of the others, in their normal form."""
        named = {normalise_query(query) for query in self.told.column("query").drop_null().to_pylist()}
        others = sorted(set(self.engaged.column("query").to_pylist()) - named)
        kept = np.random.default_rng(seed).permutation(len(others))[:MOST_QUERIES]
        return sorted(named), [*sorted(named), *(others[i] for i in np.sort(kept))]


def build(evidence: Evidence, pin_ids: Sequence[str], base: np.ndarray, read: Read, seed: int, out: Path) -> Summary:
    """Learn classes; write models, and the classes of all Pins and of the table's queries, into `out`.

    `base` (pins, d) are the Pins' untuned vectors. The same seed and tables give the same bytes.
    """
    named, asked = evidence.queries(seed)
    vectors = read(asked) if asked else np.zeros((0, base.shape[1]), np.float32)
    told = {column: taxonomy.told(evidence.told, column, pin_ids, asked) for column in COLUMNS}
    told = {column: known for column, known in told.items() if known.pins.nnz + known.queries.nnz}
    known = {"interest": taxonomy.clusters(base, len(asked), seed)} | told
    models, accuracy = {}, {}
    for column, by in known.items():
        by = taxonomy.acted(by, evidence.engaged, pin_ids, asked)
        models[column], accuracy[column] = classifier_training.learn(
            {"pins": (base, by.pins), "queries": (vectors, by.queries)}, seed
        )
    learnt = Models(models["interest"], models.get("shopping"), _places(models["interest"].weight))
    learnt.save(out)
    learnt.classes(base, {c: k.pins for c, k in told.items()}).save(pin_ids, out / PINS)
    first = slice(len(named))
    learnt.classes(vectors[first], {c: k.queries[first] for c, k in told.items()}).save(named, out / "queries.arrow")
    summary = Summary("table" if "interest" in told else "clusters", known["interest"].names, accuracy)
    (out / SUMMARY).write_bytes(msgspec.json.format(msgspec.json.encode(summary)))
    return summary


def _places(weight: np.ndarray) -> np.ndarray:
    """Where classes lie by their weights (k, d): each on an axis of its own; where there are many, alike ones together.

    Then these are the first principal components of the weights, the longest of length one.
    """
    if len(weight) <= SIZE:
        return np.eye(len(weight), dtype=np.float32)
    left, spread, _ = np.linalg.svd(weight - weight.mean(axis=0), full_matrices=False)
    left *= np.sign(left[np.abs(left).argmax(axis=0), np.arange(left.shape[1])])  # their signs are arbitrary
    return np.ascontiguousarray(left[:, :SIZE] * (spread[:SIZE] / max(spread[0], 1e-12)), dtype=np.float32)
