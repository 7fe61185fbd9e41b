"""How long an index takes to open and what a replica holds of it, memory-mapped and as tables and dicts in memory.

    python benchmarks/index_opening.py --pins 200000 --folder /tmp/index

Each way is opened in a process of its own, without the student, whose size does not depend on the Pins; then 200 random
sets of 1,000 Pins are looked up, matched and gathered. "signals" are opened beside the match index alone. Processes
that map the same files share them: what a further replica costs is its private memory.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
from safetensors.numpy import save_file

from limbeck import lookup
from limbeck.index import catalogue, lexical, nearest, texts
from limbeck.records import schema
from limbeck.signals import classes, engagement, grams, interests, match_index, pinsage, sage
from limbeck.signals.classifier import Classifier
from limbeck.signals.joined import Joined
from limbeck.signals.match import FIELDS
from limbeck.signals.signal import Signal
from limbeck.signals.terms import Terms
from limbeck.student.vectors import Vectors

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


def generate(count: int, folder: Path) -> None:
    random = np.random.default_rng(0)
    ids = [pin_id(number) for number in range(count)]
    words = np.asarray([f"word{number}" for number in range(WORDS)])
    chosen = np.minimum(random.zipf(1.3, (count, len(FIELDS), TERMS_PER_FIELD)), WORDS) - 1
    titles = [" ".join(row) for row in words[chosen[:, 0]]]
    _write_match(ids, words, chosen.astype(np.int32), _made(folder / "match"))
    vectors = random.standard_normal((count, DIMENSIONS)).astype(np.float32)
    rows = pa.table({"pin_id": ids, "digest": ids, "vector": pa.array(list(vectors), pa.list_(pa.float32()))})
    none = pa.nulls(count, pa.string())
    pins = pa.table(dict.fromkeys(catalogue.SHOWN, none) | {"pin_id": ids, "title": titles, "description": titles})
    catalogue.build(rows, pins, _made(folder / "catalogue"))
    nearest.build(rows, _made(folder / "nearest"))
    pq.write_table(rows, folder / "vectors.parquet", compression="zstd")
    pq.write_table(pins, folder / "pins.parquet", compression="zstd")
    lists = pa.array([[]] * count, pa.list_(pa.string()))
    said = dict.fromkeys(schema("pin_texts").names, none)
    said |= {"pin_id": ids, "digest": ids, "title": titles, "board_titles": lists, "engaged_queries": lists}
    pin_texts = pa.table(said, schema=schema("pin_texts"))
    _write_signals(ids, random, folder)
    lexical.build([pin_texts], _made(folder / "lexical"))
    texts.build([pin_texts], _made(folder / "texts"))


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


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _write_signals(ids: list[str], random: np.random.Generator, folder: Path) -> None:
    """Signals as training leaves them: random weights and vectors, sixteen interests, and a log of the Pins."""
    pins, vectors = pa.table({"pin_id": ids}), random.standard_normal((len(ids), sage.SIZE)).astype(np.float32)
    for name, weights, shapes in (("searchsage", sage.WEIGHTS, SAGE), ("pinsage", pinsage.WEIGHTS, PINSAGE)):
        out = _made(folder / name)
        save_file(
            {key: random.standard_normal(shape).astype(np.float32) for key, shape in shapes.items()}, out / weights
        )
        feather.write_feather(pins, out / "pins.arrow")
        np.save(out / "pins.npy", sage.unit(vectors), allow_pickle=False)
    out, shares = _made(folder / "interests"), random.random((len(ids), CLASSES))
    told = Classifier(random.standard_normal((CLASSES, READ)).astype(np.float32), np.zeros(CLASSES, np.float32))
    interests.Models(told, None, np.eye(CLASSES, dtype=np.float32)).save(out)
    nothing = np.full(len(ids), np.nan, np.float32)
    classes.likeliest(shares, nothing).save(ids, out / "pins.arrow")
    classes.likeliest(shares[:1], nothing[:1]).save(["red sofa"], out / "queries.arrow")
    summary = interests.Summary("clusters", [str(number) for number in range(CLASSES)], {})
    (out / interests.SUMMARY).write_bytes(msgspec.json.encode(summary))
    _write_log(ids, random, folder)


def _write_log(ids: list[str], random: np.random.Generator, folder: Path) -> None:
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
    path = folder / "exposures.parquet"
    pq.write_table(rows, path)
    engagement.build([path], 90, _made(folder / "engagement"))


class Signals:
    """The signals beside the match index, as `joined.open` opens them."""

    def __init__(self, folder: Path) -> None:
        pins = match_index.open(folder / "match")
        parts: list[tuple[str, Callable[[], Signal]]] = [
            ("engagement", lambda: engagement.Engagement(folder / "engagement", pins.pin_ids)),
            ("searchsage", lambda: sage.SearchSage(folder / "searchsage", pins.pin_ids, _reading)),
            ("pinsage", lambda: pinsage.PinSage(folder / "pinsage", pins.pin_ids, _reading)),
            ("interests", lambda: interests.Interests(folder / "interests", pins.pin_ids, _reading)),
        ]
        self.seconds, opened = {}, []
        for name, open_it in parts:
            used = time.process_time()
            opened.append(open_it())
            self.seconds[name] = time.process_time() - used
        self._joined = Joined(pins, opened)

    def ask(self, pins: list[str]) -> None:
        """What they say of a query and these Pins."""
        self._joined.features("word1 word2 word3", self._joined.rows(pins))


def _reading(texts: Sequence[str]) -> np.ndarray:
    return np.ones((len(texts), READ), np.float32)


class Mapped:
    """As the service opens it."""

    def __init__(self, folder: Path) -> None:
        self.catalogue = catalogue.open(folder / "catalogue")
        self.match = match_index.open(folder / "match")
        self.match_rows = self.match.pins.rows_of(self.catalogue.vectors.ids)
        self.parts = lexical.open(folder / "lexical"), nearest.open(folder / "nearest"), texts.open(folder / "texts")

    def ask(self, pins: list[str]) -> None:
        """What a request for these Pins costs besides the model."""
        rows = self.catalogue.vectors.rows(pins)
        self.match.features("word1 word2 word3", self.match_rows[rows])
        self.catalogue.vectors.matrix[rows].sum()
        self.catalogue.shown(rows[:50])


class Dicts(Mapped):
    """As it was opened before: tables read whole, and dicts of all ids and terms."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.vectors = Vectors(pq.read_table(folder / "vectors.parquet"))
        self.pins = pq.read_table(folder / "pins.parquet", columns=list(catalogue.SHOWN))
        self.row = {pin: row for row, pin in enumerate(self.pins.column("pin_id").to_pylist())}
        self.of_match = {pin: row for row, pin in enumerate(self.match.pin_ids)}
        self.terms = {t: i for i, t in enumerate(lookup.open(folder / "match", "terms").texts.to_pylist())}

    def ask(self, pins: list[str]) -> None:
        """The same."""
        rows = self.vectors.rows(pins)
        self.match.features("word1 word2 word3", np.asarray([self.of_match[p] for p in pins]))
        self.vectors.matrix[rows].sum()
        self.pins.take(pa.array([self.row[p] for p in pins[:50]])).to_pylist()


WAYS: dict[str, type[Mapped] | type[Signals]] = {"mapped": Mapped, "dicts": Dicts, "signals": Signals}


def memory() -> dict[str, float]:
    """MiB: resident, and of it what lies in no file: no other process can share it."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    found = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
    return {"resident": found["Rss"], "private": found["Anonymous"]}


def opened(way: str, folder: Path, count: int) -> dict[str, float]:
    lookup.of(["a"]).rows(["a"])  # compiled code is loaded once, whatever the size
    before, begun, used = memory(), time.perf_counter(), time.process_time()
    index = WAYS[way](folder)
    found = {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - used}
    if isinstance(index, Signals):
        found |= {f"{name}'s cpu": seconds for name, seconds in index.seconds.items()}
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
    parser.add_argument("--way", choices=WAYS)
    given = parser.parse_args()
    folder = given.folder / str(given.pins)
    if given.way:
        print(json.dumps(opened(given.way, folder, given.pins)))
        return
    if not folder.exists():
        generate(given.pins, folder)
    for way in WAYS:
        call = [sys.executable, __file__, "--pins", str(given.pins), "--folder", str(given.folder), "--way", way]
        for _ in range(2):  # the second time, what the first one compiled and read is there
            said = subprocess.run(call, check=True, capture_output=True, text=True).stdout
        print(way, {name: round(value, 3) for name, value in json.loads(said).items()})


if __name__ == "__main__":
    main()
