"""How long an index takes to open and what a replica holds of it, memory-mapped and as tables and dicts in memory.

    python benchmarks/index_opening.py --pins 200000 --folder /tmp/index

Each way is opened in a process of its own, without the student, whose size does not depend on the Pins; then 200 random
sets of 1,000 Pins are looked up, matched and gathered. "signals" are opened beside the match index alone, aligned by
the run as for the service, and "unaligned" as the training has them: by a look at every Pin. Processes that map the
same files share them: what a further replica costs is its private memory.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
from safetensors.numpy import save_file

from limbeck import lookup
from limbeck.index import alignment, catalogue, lexical, nearest, texts
from limbeck.records import schema
from limbeck.signals import classes, engagement, grams, interests, joined, match_index, pinsage, sage
from limbeck.signals.classifier import Classifier
from limbeck.signals.match import FIELDS
from limbeck.signals.terms import Terms
from limbeck.student.vectors import Vectors, lists
from limbeck.workspace import Made, Workspace

DIMENSIONS, WORDS, TERMS_PER_FIELD = 64, 100_000, 4
ASKED, ROUNDS = 1_000, 200
CLASSES, QUERIES, SHOWN = 16, 20_000, 5  # interests; queries of the log, and how often a Pin is in it
READ = 384  # numbers of what the backbone reads
HIDDEN = 64
SAGE = {
    f"{side}.{name}": shape
    for side in ("query", "pin")
    for name, shape in (
        ("straight.weight", (sage.SIZE, READ)),
        ("hidden.weight", (HIDDEN, READ)),
        ("hidden.bias", (HIDDEN,)),
        ("out.weight", (sage.SIZE, HIDDEN)),
    )
}
PINSAGE = {
    "own.weight": (pinsage.SIZE, READ),
    "around.weight": (pinsage.SIZE, READ),
    "hidden.weight": (HIDDEN, 2 * READ),
    "hidden.bias": (HIDDEN,),
    "out.weight": (pinsage.SIZE, HIDDEN),
}


def pin_id(number: int) -> str:
    return f"{number * 7_919 % 10**9:012d}"


def generate(count: int, ws: Workspace, signals_alone: bool) -> None:
    """An index of so many Pins, as a run leaves it, and the tables that some of it is made of."""
    random = np.random.default_rng(0)
    ids = [pin_id(number) for number in range(count)]
    words = np.asarray([f"word{number}" for number in range(WORDS)])
    chosen = np.minimum(random.zipf(1.3, (count, len(FIELDS), TERMS_PER_FIELD)), WORDS) - 1
    titles = [" ".join(row) for row in words[chosen[:, 0]]]
    _write(ws, "signals/match", lambda out: _write_match(ids, words, chosen.astype(np.int32), out))
    vectors = lists(random.standard_normal((count, DIMENSIONS)).astype(np.float32))
    rows = pa.table({"pin_id": ids, "digest": ids, "vector": vectors})
    none = pa.nulls(count, pa.string())
    pins = pa.table(dict.fromkeys(catalogue.SHOWN, none) | {"pin_id": ids, "title": titles, "description": titles})
    _write(ws, "index/catalogue", lambda out: catalogue.build(rows, pins, out))
    _write_signals(ids, random, ws)
    texts_of_pins = _pin_texts(pins)
    _write(ws, "index/lexical", lambda out: lexical.build([texts_of_pins], out))
    if not signals_alone:
        _write_sides(rows, pins, texts_of_pins, ws)
    begun = time.process_time()
    _write(ws, alignment.NAME, lambda out: alignment.build(ws, out))
    print("aligned offline in", round(time.process_time() - begun, 3), "CPU seconds", flush=True)


def _write_sides(rows: pa.Table, pins: pa.Table, pin_texts: pa.Table, ws: Workspace) -> None:
    """What finds Pins and says what they say, and the tables that were read whole before."""
    _write(ws, "index/nearest", lambda out: nearest.build(rows, out))
    pq.write_table(rows, ws.root / "vectors.parquet", compression="zstd")
    pq.write_table(pins, ws.root / "pins.parquet", compression="zstd")
    _write(ws, "index/texts", lambda out: texts.build([pin_texts], out))


def _pin_texts(pins: pa.Table) -> pa.Table:
    empty = pa.array([[]] * len(pins), pa.list_(pa.string()))
    said = dict.fromkeys(schema("pin_texts").names, pa.nulls(len(pins), pa.string()))
    said |= dict.fromkeys(("board_titles", "engaged_queries"), empty)
    said |= {name: pins.column(name) for name in ("pin_id", "title")} | {"digest": pins.column("pin_id")}
    return pa.table(said, schema=schema("pin_texts"))


def _write(ws: Workspace, name: str, build: Callable[[Path], Any]) -> None:
    ws.write_folder(name, Made(), lambda out, scratch: build(out))


def _write_match(ids: list[str], words: np.ndarray, chosen: np.ndarray, out: Path) -> None:
    """As `match_index.build` would, of Pins that have the same number of terms in every field."""
    ends = np.arange(0, chosen.size + 1, TERMS_PER_FIELD, dtype=np.int64)
    starts = np.arange(len(ids))[:, None] * len(FIELDS)
    found = Terms(
        chosen.reshape(-1), ends[starts + np.arange(len(FIELDS) + 1)], *grams.spellings(grams.of(words.tolist()))
    )
    for name, values in found._asdict().items():
        np.save(out / f"{name}.npy", values, allow_pickle=False)
    frequency = np.bincount(chosen.reshape(-1), minlength=WORDS).astype(np.int64)
    np.save(out / "frequency.npy", frequency, allow_pickle=False)
    lookup.save(words.tolist(), out, "terms")
    lookup.save(ids, out, "pins")
    mean_lengths = [TERMS_PER_FIELD] * len(FIELDS) + [TERMS_PER_FIELD * len(FIELDS)]
    (out / "statistics.json").write_text(json.dumps({"mean_lengths": mean_lengths}))


def _write_signals(ids: list[str], random: np.random.Generator, ws: Workspace) -> None:
    """Signals as training leaves them: random weights and vectors, sixteen interests, and a log of the Pins."""
    _write_log(ids, random, ws)
    _write(ws, "signals/searchsage", lambda out: _write_vectors(ids, random, SAGE, out / sage.WEIGHTS))
    _write(ws, "signals/pinsage", lambda out: _write_vectors(ids, random, PINSAGE, out / pinsage.WEIGHTS))
    _write(ws, "signals/interests", lambda out: _write_classes(ids, random, out))


def _write_vectors(
    ids: list[str], random: np.random.Generator, shapes: dict[str, tuple[int, ...]], weights: Path
) -> None:
    save_file({key: random.standard_normal(shape).astype(np.float32) for key, shape in shapes.items()}, weights)
    feather.write_feather(pa.table({"pin_id": ids}), weights.parent / "pins.arrow")
    vectors = random.standard_normal((len(ids), sage.SIZE)).astype(np.float32)
    np.save(weights.parent / "pins.npy", sage.unit(vectors), allow_pickle=False)


def _write_classes(ids: list[str], random: np.random.Generator, out: Path) -> None:
    shares = random.random((len(ids), CLASSES))
    told = Classifier(random.standard_normal((CLASSES, READ)).astype(np.float32), np.zeros(CLASSES, np.float32))
    interests.Models(told, None, np.eye(CLASSES, dtype=np.float32)).save(out)
    nothing = np.full(len(ids), np.nan, np.float32)
    classes.likeliest(shares, nothing).save(ids, out / "pins.arrow")
    classes.likeliest(shares[:1], nothing[:1]).save(["red sofa"], out / "queries.arrow")
    summary = interests.Summary("clusters", [str(number) for number in range(CLASSES)], {})
    (out / interests.SUMMARY).write_bytes(msgspec.json.encode(summary))


def _write_log(ids: list[str], random: np.random.Generator, ws: Workspace) -> None:
    """What a log of `SHOWN` exposures a Pin says of them."""
    count = SHOWN * len(ids)
    pin = pa.array(ids).take(pa.array(random.integers(len(ids), size=count)))
    query = pa.array([f"query {number}" for number in range(QUERIES)]).take(
        pa.array(random.integers(QUERIES, size=count))
    )
    numbers = {name: pa.array(random.integers(0, 2, count), pa.int32()) for name in ("clicks", "long_clicks", "saves")}
    place = {
        "day": random.integers(100, 130, count),
        "position": random.integers(1, 13, count),
        "shown": np.ones(count),
    }
    columns = {"pin_id": pin, "query": query, **place, **numbers}
    rows = pa.table(columns).select(schema("exposures").names).cast(schema("exposures"))
    path = ws.root / "exposures.parquet"
    pq.write_table(rows, path)
    _write(ws, "signals/engagement", lambda out: engagement.build([path], 90, out))


class Signals:
    """The signals beside the match index, as the service opens them."""

    def __init__(self, ws: Workspace) -> None:
        self._joined = joined.open(ws, _reading, known=alignment.open(ws).of)

    def ask(self, pins: list[str]) -> None:
        """What they say of a query and these Pins."""
        self._joined.features("word1 word2 word3", self._joined.rows(pins))


class Unaligned(Signals):
    """The same as training opens them, which is before the run aligned anything."""

    def __init__(self, ws: Workspace) -> None:
        self._joined = joined.open(ws, _reading)


def _reading(texts: Sequence[str]) -> np.ndarray:
    return np.ones((len(texts), READ), np.float32)


class Mapped:
    """As the service opens it."""

    def __init__(self, ws: Workspace) -> None:
        self.catalogue = catalogue.open(ws.folder("index/catalogue"))
        self.match = match_index.open(ws.folder("signals/match"))
        self.match_rows = alignment.open(ws).match_rows
        parts = (("index/lexical", lexical), ("index/nearest", nearest), ("index/texts", texts))
        self.parts = [part.open(ws.folder(name)) for name, part in parts]

    def ask(self, pins: list[str]) -> None:
        """What a request for these Pins costs besides the model."""
        rows = self.catalogue.vectors.rows(pins)
        self.match.features("word1 word2 word3", self.match_rows[rows])
        self.catalogue.vectors.matrix[rows].sum()
        self.catalogue.shown(rows[:50])


class Dicts(Mapped):
    """As it was opened before: tables read whole, and dicts of all ids and terms."""

    def __init__(self, ws: Workspace) -> None:
        super().__init__(ws)
        self.vectors = Vectors(pq.read_table(ws.root / "vectors.parquet"))
        self.pins = pq.read_table(ws.root / "pins.parquet", columns=list(catalogue.SHOWN))
        self.row = {pin: row for row, pin in enumerate(self.pins.column("pin_id").to_pylist())}
        self.of_match = {pin: row for row, pin in enumerate(self.match.pin_ids)}
        terms = lookup.open(ws.folder("signals/match"), "terms").texts.to_pylist()
        self.terms = {term: number for number, term in enumerate(terms)}

    def ask(self, pins: list[str]) -> None:
        """The same."""
        rows = self.vectors.rows(pins)
        self.match.features("word1 word2 word3", np.asarray([self.of_match[p] for p in pins]))
        self.vectors.matrix[rows].sum()
        self.pins.take(pa.array([self.row[p] for p in pins[:50]])).to_pylist()


WAYS: dict[str, type[Mapped] | type[Signals]] = {
    "mapped": Mapped,
    "dicts": Dicts,
    "signals": Signals,
    "unaligned": Unaligned,
}


def memory() -> dict[str, float]:
    """MiB: resident, and of it what lies in no file: no other process can share it."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    found = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
    return {"resident": found["Rss"], "private": found["Anonymous"]}


def opened(way: str, ws: Workspace, count: int) -> dict[str, float]:
    lookup.of(["a"]).rows(["a"])  # compiled code is loaded once, whatever the size
    before, begun, used = memory(), time.perf_counter(), time.process_time()
    index = WAYS[way](ws)
    found = {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - used}
    found |= {f"{name} opened": value - before[name] for name, value in memory().items()}
    random, times = np.random.default_rng(1), []
    for _ in range(ROUNDS):
        pins = [pin_id(number) for number in random.integers(0, count, ASKED)]
        used = time.process_time()
        index.ask(pins)
        times.append(1000 * (time.process_time() - used))
    found["request's cpu ms, p50"] = float(np.median(times))
    return found | {f"{name} used": value - before[name] for name, value in memory().items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pins", type=int, default=200_000)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--signals", action="store_true", help="make and open the signals alone, which takes less time")
    parser.add_argument("--way", choices=WAYS)
    given = parser.parse_args()
    ws = Workspace(given.folder / str(given.pins))
    if given.way:
        print(json.dumps(opened(given.way, ws, given.pins)))
        return
    if not ws.has(alignment.NAME):
        with ws.writing():
            generate(given.pins, ws, given.signals)
    for way in (name for name, kind in WAYS.items() if issubclass(kind, Signals) or not given.signals):
        call = [sys.executable, __file__, "--pins", str(given.pins), "--folder", str(given.folder), "--way", way]
        for _ in range(2):  # the second time, what the first one compiled and read is there
            said = subprocess.run(call, check=True, capture_output=True, text=True).stdout
        print(way, {name: round(value, 3) for name, value in json.loads(said).items()}, flush=True)


if __name__ == "__main__":
    main()
