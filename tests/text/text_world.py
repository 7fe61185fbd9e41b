"""A small random world of tables in Parquet."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from limbeck import records

TODAY = datetime(2026, 5, 1, tzinfo=UTC)
TITLES = [
    *["Kitchen Ideas", "kitchen  ideas!", "My kitchen", "Kitchen", "Mom's kitchen", "boho bedroom", "My boho bedroom"],
    *["日本の庭", "日本の庭", "Küche & Bad", "küche bad", "รับประทาน", "हिन्दी घर", "می‌خواهم باغ", "🌸🌸", "   ", None],
]
QUERIES = ["red chair", " Red chair ", "chair", "stuhl für küche", "椅子", "صندلی", "  ", "chair, red"]


def table(name: str, columns: dict[str, list]) -> pa.Table:
    """Rows of a table; columns left out are null."""
    rows = len(next(iter(columns.values())))
    wanted = records.schema(name)
    return pa.table({f.name: columns.get(f.name, [None] * rows) for f in wanted}, schema=wanted)


def world(seed: int) -> dict[str, pa.Table]:
    """Random tables with repeats, nulls, blanks, many scripts, dangling ids and rows on both sides of the window."""
    rng = np.random.default_rng(seed)

    def pick(values, n):
        return [values[i] for i in rng.integers(0, len(values), n)]

    def times(n):
        return [TODAY - timedelta(days=int(d)) for d in rng.integers(0, 60, n)]

    pins, users, pages = [f"p{i}" for i in range(30)], [f"u{i}" for i in range(6)], ["a.example", "b.example", None]
    boards, shown = [f"b{i}" for i in range(20)], 600
    return {
        "pins": table("pins", {"pin_id": pins, "title": pick(["Stuhl", None, ""], 30), "link": pick(pages, 30)}),
        "boards": table("boards", {"board_id": boards, "title": pick(TITLES, 20)}),
        "saves": table(
            "saves",
            {
                "board_id": pick([*boards, "gone"], 400),
                "pin_id": pick([*pins, "gone"], 400),
                "user_id": pick(users, 400),
                "saved_at": times(400),
            },
        ),
        "links": table("links", {"link": ["a.example"], "title": ["Seite"], "description": [None]}),
        "captions": table("captions", {"pin_id": ["p3"], "caption": ["ein Stuhl"], "captioner": ["x"]}),
        "impressions": table(
            "impressions",
            {
                "search_id": [str(i) for i in range(shown)],
                "searched_at": times(shown),
                "user_id": pick(users, shown),
                "query": pick(QUERIES, shown),
                "pin_id": pick([*pins, "gone"], shown),
                "position": [1] * shown,
                "clicked": pick([True, False], shown),
                "dwell_seconds": pick([None, 1.0, 9.99, 10.0, 60.0], shown),
                "saved": pick([True, False, False], shown),
            },
        ),
    }


def write(tables: dict[str, pa.Table], folder: Path, files: int = 3) -> dict[str, list[Path]]:
    """Each table as several Parquet files, some of them perhaps without rows."""
    found: dict[str, list[Path]] = {}
    for name, rows in tables.items():
        (folder / name).mkdir(parents=True)
        for n in range(files):
            path = folder / name / f"{n}.parquet"
            step = -(-len(rows) // files)
            pq.write_table(rows.slice(n * step, step), path)
            found.setdefault(name, []).append(path)
    return found
