"""What is known of the classes of Pins and queries: by a table, by clustering, and by what people acted on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_array

from limbeck.relevance import normalise_query
from limbeck.signals.classifier import ROWS_AT_ONCE
from limbeck.signals.sage import unit

CLUSTERS, PINS_PER_CLUSTER = 64, 40  # at most; at least
ITERATIONS = 20


@dataclass(frozen=True)
class Known:
    """Names of k classes; the share of each, (pins, k) and (queries, k). A row sums to one, or to zero if unknown."""

    names: tuple[str, ...]
    pins: csr_array
    queries: csr_array


def told(table: pa.Table, column: str, pin_ids: Sequence[str], queries: Sequence[str]) -> Known:
    """What the column of a table of interests says; a Pin or query of several rows has a share of each.

    `queries` are in their normal form.
    """
    table = table.filter(pc.is_valid(table.column(column)))
    value = table.column(column).cast(pa.string())
    names = ("false", "true") if column == "shopping" else tuple(sorted(set(value.to_pylist())))
    number = pc.index_in(value, pa.array(names, pa.string()))
    asked = pa.array(
        [None if q is None else normalise_query(q) for q in table.column("query").to_pylist()], pa.string()
    )
    of_pins, of_queries = (
        _counted(key, number, among, len(names)) for key, among in ((table.column("pin_id"), pin_ids), (asked, queries))
    )
    return Known(names, shares(of_pins), shares(of_queries))


def clusters(base: np.ndarray, queries: int, seed: int) -> Known:
    """Classes of Pins by spherical k-means on their untuned vectors (n, d); nothing of the queries."""
    count = min(CLUSTERS, max(2, len(base) // PINS_PER_CLUSTER), len(base))
    kmeans = faiss.Kmeans(
        base.shape[1], count, niter=ITERATIONS, seed=seed, spherical=True, min_points_per_centroid=1, verbose=False
    )
    kmeans.train(unit(base))
    starts = range(0, len(base), ROWS_AT_ONCE)
    centres = np.asarray(kmeans.centroids)
    nearest = [(unit(base[i : i + ROWS_AT_ONCE]) @ centres.T).argmax(axis=1) for i in starts]
    one = np.ones(len(base), np.float32)
    of_pins = csr_array((one, (np.arange(len(base)), np.concatenate(nearest))), shape=(len(base), count))
    names = tuple(f"cluster {number}" for number in range(count))
    return Known(names, of_pins, csr_array((queries, count), dtype=np.float32))


def acted(known: Known, engaged: pa.Table, pin_ids: Sequence[str], queries: Sequence[str]) -> Known:
    """As `known`, and of queries of which nothing is: the shares of the Pins of `engaged` (query, pin_id, weight)."""
    row = pc.index_in(engaged.column("query"), pa.array(queries, pa.string()))
    column = pc.index_in(engaged.column("pin_id"), pa.array(pin_ids, pa.string()))
    there = pc.and_(pc.is_valid(row), pc.is_valid(column))
    place = tuple(a.filter(there).to_numpy() for a in (row, column))
    weight = engaged.column("weight").filter(there).to_numpy().astype(np.float32)
    by_log = csr_array((weight, place), shape=(len(queries), len(pin_ids))) @ known.pins
    unknown = (known.queries.sum(axis=1) == 0).astype(np.float32)
    return replace(known, queries=csr_array(known.queries + csr_array(shares(by_log).multiply(unknown[:, None]))))


def _counted(key: pa.ChunkedArray, number: pa.ChunkedArray, among: Sequence[str], classes: int) -> csr_array:
    """How many rows give each of the keys `among` each class, (n, k)."""
    row = pc.index_in(key, pa.array(among, pa.string()))
    there = pc.is_valid(row)
    place = tuple(a.filter(there).to_numpy() for a in (row, number))
    return csr_array((np.ones(len(place[0]), np.float32), place), shape=(len(among), classes))


def shares(counts: csr_array) -> csr_array:
    """Rows divided by their sums."""
    total = counts.sum(axis=1)
    return csr_array(counts.multiply((1 / np.where(total > 0, total, 1))[:, None].astype(np.float32)))
