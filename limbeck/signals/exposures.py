"""The search log by (Pin, query, day, position): how often shown, and what came of it. Aggregated in Daft.

Work goes bucket by bucket of a hash of the Pin: the buckets share nothing, and only one is in memory at a time.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from daft import DataType, col, lit

from limbeck.records import ACTIONS, MICROSECONDS_PER_DAY, conform
from limbeck.text import tables
from limbeck.text.engaged_queries import LONG_CLICK_SECONDS

VERSION = 1  # raise it when the same log is to give other rows
ROWS_PER_BUCKET = 2_000_000
KEYS = ("pin_id", "query", "day", "position")
_READ = ("pin_id", "query", "searched_at", "position", "clicked", "dwell_seconds", "saved")


def shards(files: Sequence[Path]) -> Mapping[str, Callable[[], pa.Table]]:
    """The shards of the `exposures` table: all that happened to a Pin is in one of them, by Pin, query and day."""
    rows = sum(pq.read_metadata(f).num_rows for f in files)
    buckets = max(1, -(-rows // ROWS_PER_BUCKET))
    return {f"{n:05d}": functools.partial(_bucket, files, n, buckets) for n in range(buckets)}


def _bucket(files: Sequence[Path], number: int, buckets: int) -> pa.Table:
    log = tables.read({"impressions": files}, "impressions", _READ)
    long = col("clicked") & (col("dwell_seconds") >= lit(LONG_CLICK_SECONDS)).fill_null(False)
    did = {"clicks": col("clicked"), "long_clicks": long, "saves": col("saved")}
    rows = log.where(tables.bucket_of(buckets) == lit(number)).select(
        "pin_id",
        col("query").strip().lower().alias("query"),  # as relevance.normalise_query
        (col("searched_at").cast(DataType.int64()) // lit(MICROSECONDS_PER_DAY)).cast(DataType.int32()).alias("day"),
        "position",
        *(action.cast(DataType.int64()).alias(name) for name, action in did.items()),
    )
    counts = rows.groupby(*KEYS).agg(col("clicks").count().alias("shown"), *(col(a).sum() for a in ACTIONS))
    return conform(counts.to_arrow().sort_by([(key, "ascending") for key in KEYS]), "exposures")
