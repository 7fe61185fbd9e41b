"""The search log by what was typed: how many searches each query had, in each language."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

_BY = ["query", "language"]


class Typed(NamedTuple):
    """A query as it was typed, and the language that the log says it is in, if it says so."""

    query: str
    language: str | None


def count(impressions: Iterable[Path]) -> Counter[Typed]:
    """Searches by query and language; one shard of the log is in memory at a time."""
    found: Counter[Typed] = Counter()
    for path in impressions:
        rows = pq.read_table(path, columns=[*_BY, "search_id"])
        for row in rows.group_by(_BY).aggregate([("search_id", "count_distinct")]).to_pylist():
            found[Typed(row["query"], row["language"])] += row["search_id_count_distinct"]
    return found
