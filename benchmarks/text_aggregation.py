"""Seconds and memory of gathering Pins' texts: Limbeck beside Polars and DuckDB, each in a process of its own.

The three do the same work on generated tables, and their results are compared row by row. Run it as
`python benchmarks/text_aggregation.py --scale 1`: 1 M Pins, 2 M boards, 10 M saves, 20 M impressions.
"""

import argparse
import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from limbeck.records import schema
from limbeck.settings import Text

SIZES = {"pins": 1_000_000, "boards": 2_000_000, "saves": 10_000_000, "impressions": 20_000_000, "links": 250_000}
ROWS_PER_FILE = 1_000_000
NEWEST = np.datetime64("2026-01-01T00:00:00", "us")
ORACLE = Path(__file__).parent.parent / "tests" / "text" / "oracle.sql"
SETTINGS = Text()
TIME = pa.timestamp("us", tz="UTC")


class Tables:
    """Random tables: words and titles follow Zipf's law, a few Pins get most of the saves and searches."""

    def __init__(self, folder: Path, scale: float) -> None:
        self.folder = folder
        self.rows = {name: max(20, int(rows * scale)) for name, rows in SIZES.items()}
        self.random = np.random.default_rng(0)
        letters = list("abcdefghijklmnoprstuvwy")
        self.words = np.array(
            ["".join(self.random.choice(letters, size=n)) for n in self.random.integers(3, 10, 20_000)]
        )
        self.titles = self._phrases(self.rows["boards"] // 20, 4)
        self.queries = self._phrases(self.rows["impressions"] // 40 + 1, 4)

    def write(self) -> None:
        """All tables as Parquet, a million rows a file."""
        makers = {n: getattr(self, f"_{n}") for n in SIZES} | {"captions": lambda n, start: self._captions()}
        for name, make in makers.items():
            (self.folder / name).mkdir(parents=True)
            for start in range(0, self.rows.get(name, 1), ROWS_PER_FILE):
                rows = make(min(ROWS_PER_FILE, self.rows.get(name, 1) - start), start)
                wanted = schema(name)
                columns = {f.name: rows.get(f.name, pa.nulls(len(next(iter(rows.values()))), f.type)) for f in wanted}
                path = self.folder / name / f"{start // ROWS_PER_FILE:04d}.parquet"
                pq.write_table(pa.table(columns, schema=wanted), path, compression="zstd")

    def _pins(self, n: int, start: int) -> dict[str, object]:
        texts = {"title": self._phrases(n, 8), "description": self._phrases(n, 30)}
        return {"pin_id": ids("p", np.arange(start, start + n)), "link": self._any("links", n), **texts}

    def _boards(self, n: int, start: int) -> dict[str, object]:
        return {
            "board_id": ids("b", np.arange(start, start + n)),
            "title": self.titles[self._skewed(len(self.titles), n)],
        }

    def _saves(self, n: int, start: int) -> dict[str, object]:
        pins = ids("p", self._skewed(self.rows["pins"], n))
        return {
            "board_id": self._any("boards", n),
            "pin_id": pins,
            "user_id": self._users(n),
            "saved_at": self._times(n),
        }

    def _links(self, n: int, start: int) -> dict[str, object]:
        link = ids("l", np.arange(start, start + n))
        return {"link": link, "title": self._phrases(n, 8), "description": self._phrases(n, 20)}

    def _captions(self) -> dict[str, object]:
        return {"pin_id": ["p0000000000"], "caption": ["a picture"], "captioner": ["none"]}

    def _impressions(self, n: int, start: int) -> dict[str, object]:
        pins, clicked = self._skewed(self.rows["pins"], n), self.random.random(n) < 0.08
        query = (pins * 7919 + self.random.integers(0, 8, n)) % len(self.queries)  # eight queries lead to a Pin
        return {
            "search_id": ids("s", np.arange(start, start + n) // 20),
            "searched_at": self._times(n),
            "user_id": self._users(n),
            "query": self.queries[query],
            "pin_id": ids("p", pins),
            "position": (np.arange(n) % 20 + 1).astype(np.int32),
            "clicked": clicked,
            "dwell_seconds": pa.array(self.random.exponential(15, n).astype(np.float32), mask=~clicked),
            "saved": self.random.random(n) < 0.02,
        }

    def _phrases(self, n: int, longest: int) -> np.ndarray:
        lengths = self.random.integers(1, longest + 1, n)
        words = self.words[np.minimum(self.random.zipf(1.3, lengths.sum()) - 1, len(self.words) - 1)]
        return np.array([" ".join(part) for part in np.split(words, lengths.cumsum()[:-1])], dtype=object)

    def _skewed(self, most: int, n: int) -> np.ndarray:
        return np.minimum((most * self.random.random(n) ** 3).astype(np.int64), most - 1)

    def _any(self, table: str, n: int) -> np.ndarray:
        return ids(table[0], self.random.integers(0, self.rows[table], n))

    def _users(self, n: int) -> np.ndarray:
        return ids("u", self.random.integers(0, self.rows["pins"] // 5 + 1, n))

    def _times(self, n: int) -> pa.Array:
        return pa.array(NEWEST - self.random.integers(0, 900 * 86_400, n).astype("timedelta64[s]"), TIME)


def ids(prefix: str, numbers: np.ndarray) -> np.ndarray:
    return np.char.add(prefix, np.char.zfill(numbers.astype(str), 10))


def limbeck(tables: Path, out: Path) -> None:
    from limbeck.text import gather

    files = {t.name: sorted(t.glob("*.parquet")) for t in tables.iterdir()}
    prepared = out.with_suffix(".prepared")
    prepared.mkdir()
    gather.prepare(files, SETTINGS, prepared, out.with_suffix(".scratch"))
    with pq.ParquetWriter(out, schema("pin_texts")) as writer:
        for number in range(SETTINGS.buckets):
            writer.write_table(gather.bucket(files, prepared, SETTINGS, number))


def duckdb(tables: Path, out: Path) -> None:
    import duckdb as engine

    database = engine.connect(config={"temp_directory": str(out.with_suffix(".spill"))})
    database.execute("SET disabled_optimizers='top_n_window_elimination'")
    for table in tables.iterdir():
        database.execute(f"CREATE VIEW {table.name} AS FROM '{table}/*.parquet'")
    query = ORACLE.read_text()
    for name, value in dataclasses.asdict(SETTINGS).items():
        query = query.replace(f"${name}", str(value))
    database.execute(f"COPY ({query}) TO '{out}'")


def polars(tables: Path, out: Path) -> None:
    import polars as pl

    scan = {t.name: pl.scan_parquet(t / "*.parquet") for t in tables.iterdir()}
    newest = pl.concat(
        [scan["saves"].select(at=pl.col("saved_at").max()), scan["impressions"].select(at=pl.col("searched_at").max())]
    )
    since = newest.max().collect().item() - pl.duration(days=SETTINGS.window_days)
    pins = scan["pins"].select(pl.len()).collect().item()
    rows = scan["pins"].join(
        scan["links"].rename({"title": "link_title", "description": "link_description"}), "link", "left"
    )
    rows = rows.join(scan["captions"].select("pin_id", "caption"), "pin_id", "left")
    evidence = {"board_titles": _polars_boards(scan, since), "engaged_queries": _polars_queries(scan, since)}
    for source, found in evidence.items():
        found = found.collect().lazy()
        rare = found.group_by("token").agg(rarity=(pins / pl.len()).log().clip(0))
        score = (pl.col("weight") * pl.col("rarity") * 1e6).round().cast(pl.Int64)
        ranked = found.join(rare, "token").with_columns(score=score).sort(["score", "token"], descending=[True, False])
        top = getattr(SETTINGS, f"top_{source}")
        rows = rows.join(
            ranked.group_by("pin_id", maintain_order=True).agg(pl.col("token").head(top).alias(source)),
            "pin_id",
            "left",
        )
    empty = [pl.col(source).fill_null([]) for source in evidence]
    rows.with_columns(empty).select(schema("pin_texts").names[:-1]).sort("pin_id").collect().write_parquet(out)


def _polars_boards(scan: dict, since: object) -> object:
    import polars as pl

    key = ["pin_id", "token"]
    title = pl.col("title").str.to_lowercase().str.replace_all(r"[^\p{L}\p{M}\p{N}'’\x{200c}\x{200d}]+", " ")
    titles = scan["boards"].select("board_id", token=title.str.strip_chars()).filter(pl.col("token") != "")
    saved = scan["saves"].filter(pl.col("saved_at") >= since).join(titles, "board_id")
    saved = saved.select("pin_id", "user_id", "token").unique()

    def agreed(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.group_by(key).agg(users=pl.len()).filter(pl.col("users") >= SETTINGS.min_users)

    def words(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.with_columns(pl.col("token").str.split(" ")).explode("token")

    whole = agreed(saved.filter(pl.col("token").str.contains(" ", literal=True)))
    said = words(whole).group_by(key).agg(said_by=pl.col("users").max())
    single = agreed(words(saved).unique()).join(said, key, "left")
    single = single.filter(pl.col("said_by").is_null() | (pl.col("users") > pl.col("said_by")))
    return pl.concat([r.select(*key, weight=pl.col("users").cast(pl.Float64)) for r in (whole, single)])


def _polars_queries(scan: dict, since: object) -> object:
    import polars as pl

    long = (pl.col("dwell_seconds") >= 10).fill_null(False)
    actions = pl.when("saved").then(SETTINGS.save_weight).when(long).then(SETTINGS.long_click_weight)
    rows = scan["impressions"].filter((pl.col("searched_at") >= since) & (pl.col("clicked") | pl.col("saved")))
    token = pl.col("query").str.strip_chars().str.to_lowercase()
    rows = rows.select("pin_id", "user_id", token=token, weight=actions.otherwise(SETTINGS.click_weight))
    by_user = rows.filter(pl.col("token") != "").group_by("pin_id", "token", "user_id").agg(pl.col("weight").sum())
    queries = by_user.group_by("pin_id", "token").agg(pl.col("weight").sum(), users=pl.len())
    return queries.filter(pl.col("users") >= SETTINGS.min_users).drop("users")


ENGINES: dict[str, Callable[[Path, Path], None]] = {"limbeck": limbeck, "polars": polars, "duckdb": duckdb}


def measured(job: str, folder: Path, scale: float) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak resident GB of one job in a new process, its start included.

    The process that asks stays small: on Linux a child's peak is never below its parent's size at the fork.
    """
    begun = time.monotonic()
    process = subprocess.Popen([sys.executable, __file__, "--scale", str(scale), "--job", job, "--folder", folder])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{job} failed")
    return time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e9


def differences(folder: Path) -> None:
    """Print how many rows of each engine's result differ from Limbeck's."""
    columns = schema("pin_texts").names[:-1]
    want, *others = [pq.read_table(folder / f"{e}.parquet", columns=columns).sort_by("pin_id") for e in ENGINES]
    for engine, found in zip([*ENGINES][1:], others):
        found = found.cast(want.schema)
        same = found.equals(want) or sum(a != b for a, b in zip(found.to_pylist(), want.to_pylist(), strict=True))
        print(f"Rows of {engine} that differ: {0 if same is True else same:,} of {len(want):,}")


def compare(scale: float, folder: Path) -> None:
    """Generate tables, run every engine, print a Markdown table."""
    measured("generate", folder, scale)
    print("| | wall s | CPU s | peak GB |\n|---|---|---|---|")
    for engine in ENGINES:
        wall, cpu, peak = measured(engine, folder, scale)
        print(f"| {engine} | {wall:.0f} | {cpu:.0f} | {peak:.2f} |", flush=True)
    measured("differences", folder, scale)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.05, help="1: 1 M Pins, 20 M impressions")
    parser.add_argument("--job", choices=["generate", *ENGINES, "differences"], help="one part, in this process")
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    if asked.job in ENGINES:
        ENGINES[asked.job](asked.folder / "tables", asked.folder / f"{asked.job}.parquet")
    elif asked.job == "generate":
        Tables(asked.folder / "tables", asked.scale).write()
    elif asked.job == "differences":
        differences(asked.folder)
    else:
        with tempfile.TemporaryDirectory() as folder:
            compare(asked.scale, Path(folder))


if __name__ == "__main__":
    main()
