"""What a search log says about queries and pairs, aggregated in Daft.

Work goes bucket by bucket of a hash of the query: the buckets share nothing, and only one is in memory at a time.
"""

import glob
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import daft
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from daft import DataFrame, col, lit
from daft.functions import hash as hash_of

from limbeck.progress import track

ROWS_PER_BUCKET = 2_000_000
_PLACE = ("language", "country")
_PAIR = ("query", "pin_id")


def searches(files: Sequence[Path]) -> pa.Table:
    """How many searches each query of the log had: query, searches."""

    def count(rows: DataFrame) -> DataFrame:
        return rows.groupby("query").agg(col("search_id").count_distinct().alias("searches"))

    want = pa.schema([("query", pa.string()), ("searches", pa.int64())])
    return pa.concat_tables([want.empty_table(), *(t.cast(want) for t in _buckets(files, count, "searches"))])


def pairs(files: Sequence[Path], seed: int) -> Iterator[pa.Table]:
    """The distinct pairs of the log, bucket by bucket: query, pin_id, language, country, hash.

    Language and country are those of most of the pair's impressions; `hash` is a fixed function of seed and pair.
    """

    def places(rows: DataFrame) -> DataFrame:
        groups = rows.groupby(*_PAIR, *_PLACE).agg(col("query").count(mode="all").alias("shown"))
        key = col("query") + lit("\x1f") + col("pin_id")
        return groups.with_column("hash", hash_of(key, seed=seed % 2**63, hash_function="xxhash3_64"))

    texts = [(name, pa.string()) for name in (*_PAIR, *_PLACE)]
    want = pa.schema([*texts, ("shown", pa.int64()), ("hash", pa.uint64())])
    return (_commonest(table.cast(want)) for table in _buckets(files, places, "pairs"))


def _commonest(places: pa.Table) -> pa.Table:
    """Of each pair's places the one with most impressions, then the first by name. (Daft has no arg-max of groups.)"""
    keys = [(name, "ascending") for name in ("hash", *_PAIR)]  # the hash first: numbers compare faster than texts
    rows = places.sort_by([*keys, ("shown", "descending"), *((name, "ascending") for name in _PLACE)]).combine_chunks()
    first = np.ones(len(rows), dtype=bool)
    same = [pc.equal(rows.column(name)[1:], rows.column(name)[:-1]) for name in _PAIR]
    first[1:] = ~pc.and_(*same).to_numpy()
    return rows.filter(pa.array(first)).drop_columns(["shown"])


def _buckets(files: Sequence[Path], aggregate: Callable[[DataFrame], DataFrame], what: str) -> Iterator[pa.Table]:
    """`aggregate` applied to each bucket of the log's rows."""
    rows = sum(pq.read_metadata(f).num_rows for f in files)
    buckets = -(-rows // ROWS_PER_BUCKET)
    with track(f"{what} of the log", buckets, "buckets") as advance:
        for bucket in range(buckets):
            log = daft.read_parquet([glob.escape(str(f)) for f in files])
            mine = hash_of(col("query"), hash_function="xxhash3_64") % buckets == bucket
            yield aggregate(log.where(mine)).to_arrow()
            advance(1)
