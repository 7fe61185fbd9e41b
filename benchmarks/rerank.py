"""Milliseconds to re-rank 1,000 candidates inside the process, part by part, and what peers take on the same ones.

    python benchmarks/rerank.py --pins 50000 --rounds 300

Pins, queries and the log are generated (as in `match_features.py`), the student's weights are random: neither changes
how long it takes. The query's vector is cached; everything after it is measured as the service does it: all match and
engagement features, SearchSAGE's cosine, the network, expected levels, the blend, and the first 50 with what is shown
of them. Processor time of the one thread is told beside the clock's: on a busy machine the clock says little.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from match_features import World
from threadpoolctl import threadpool_limits

from limbeck.index import catalogue
from limbeck.index.languages import Languages
from limbeck.index.store import Store
from limbeck.index.understanding import Understanding
from limbeck.records import schema
from limbeck.relevance import expected_level
from limbeck.serve.ranker import Ranker
from limbeck.settings import Blend, Student
from limbeck.signals import engagement, match_index, sage, searchsage
from limbeck.signals.joined import Joined
from limbeck.signals.signal import UNASKED
from limbeck.student.model import Head
from limbeck.student.scoring import Held, Scorer
from limbeck.student.shape import Shape
from limbeck.student.vectors import lists
from limbeck.workspace import Made, Workspace

BASE = 384  # numbers per untuned vector
BATCH = 10_000


class FixedStudent:
    """A student whose texts are read already: one vector for all queries."""

    def __init__(self, folder: Path, vector: np.ndarray) -> None:
        self.scorer, self._vector = Scorer(folder), vector

    def vectors(self, texts: list[str]) -> np.ndarray:
        """The one vector, for each."""
        return self._vector[None].repeat(len(texts), axis=0)

    def tokens(self, texts: list[str]) -> list[bytes]:
        """Their letters."""
        return [text.encode() for text in texts]


class Candidates:
    """A retriever that finds the Pins that it is told to."""

    def __init__(self) -> None:
        self.found = np.zeros(0, np.int64)

    def retrieve(self, query: str, k: int) -> np.ndarray:
        """The first `k` of them."""
        return self.found[:k]


def log(folder: Path, queries: list[str], pins: list[str], random: np.random.Generator) -> Path:
    """Engagement of a third of the Pins, for all queries."""
    ws, shown = Workspace(folder), sorted(random.choice(pins, max(1, len(pins) // 3), replace=False).tolist())
    rows = [(pin, queries[i % len(queries)], 10 + i % 9, 1 + i % 10, 3, i % 3, i % 2, 0) for i, pin in enumerate(shown)]
    columns = dict(zip(schema("exposures").names, zip(*rows)))
    ws.write_table("exposures", Made(), {"0": lambda: pa.table(columns, schema=schema("exposures"))})
    build = lambda out, _: engagement.build(ws.shards("exposures"), 90, out)  # noqa: E731
    return ws.write_folder("signals/engagement", Made(), build)


def stand(root: Path, count: int, settings: Student, queries: list[str], world: World) -> tuple[Store, list[pa.Table]]:
    """A store of so many Pins, as far as re-ranking needs one."""
    folders = [root / name for name in ("match", "sage", "student", "catalogue")]
    for folder in folders:
        folder.mkdir()
    batches = [world.pins(min(BATCH, count - first), first) for first in range(0, count, BATCH)]
    signals = known(folders, batches, queries, world.random)
    student = untaught(folders[2], settings, signals, queries, world.random)
    pin_ids, size = signals.match.pin_ids, settings.vector_size
    rows = pa.table({"pin_id": pin_ids, "vector": lists(world.random.standard_normal((count, size)))})
    catalogue.build(rows, pa.table(dict.fromkeys(catalogue.SHOWN, pa.array(pin_ids, pa.string()))), folders[3])
    pins = catalogue.open(folders[3])
    held = student.scorer.held(pins.vectors.matrix, signals.of_side("pin", UNASKED, np.arange(count)))
    parts = {
        "student": student,
        "signals": signals,
        "read": student.vectors,
        "catalogue": pins,
        "shares": Held.of(held, 16),
        "match_rows": np.arange(count),
        "served": count,
        "digest": "benchmark",
        "reading": "benchmark",
        "understanding": Understanding(None, Languages()),
    }
    left = ("lexical", "statistics", "nearest", "texts", "boards", "tokenizer", "text", "versions")
    return Store(**dict.fromkeys(left), **parts), batches


def known(folders: list[Path], batches: list[pa.Table], queries: list[str], random: np.random.Generator) -> Joined:
    """Match features, engagement, and a SearchSAGE that learnt nothing."""
    match_index.build(batches, folders[0])
    match = match_index.open(folders[0])
    base = random.standard_normal((len(match.pin_ids), BASE), dtype=np.float32)
    searchsage.build(searchsage.NOBODY, match.pin_ids, base, lambda texts: base[: len(texts)], 0, folders[1])
    folder, pins = log(folders[0].parent / "log", queries, match.pin_ids, random), match.pins.texts
    told = engagement.Engagement(folder, engagement.aligned(folder, pins))
    learnt = sage.SearchSage(folders[1], sage.aligned(folders[1], pins), lambda texts: base[: len(texts)])
    return Joined(match, [told, learnt])


def untaught(
    folder: Path, settings: Student, signals: Joined, queries: list[str], random: np.random.Generator
) -> FixedStudent:
    """A student of random weights, its features brought to the spread that they have."""
    head, some = (
        Head(Shape.of(settings, signals.names, signals.groups)),
        random.integers(0, len(signals.match.pin_ids), 2_000),
    )
    head.standardise(signals.pairs([queries[i % len(queries)] for i in range(len(some))], some))
    head.save(folder)
    return FixedStudent(folder, random.standard_normal(settings.vector_size, dtype=np.float32))


def timed(name: str, work: Callable[[int], object], rounds: int) -> float:
    """Print the median and 99th percentile by the clock, and the median of processor time, which is returned, in ms."""
    clock, processor = [], []
    for i in range(rounds + 5):
        begun, used = time.perf_counter(), time.thread_time()
        work(i)
        clock.append(time.perf_counter() - begun)
        processor.append(time.thread_time() - used)
    median, last = np.percentile(np.asarray(clock[5:]) * 1e3, [50, 99])
    used = float(np.median(processor[5:])) * 1e3
    print(f"{name:24} {median:6.2f} / {last:6.2f}   processor {used:6.2f}", flush=True)
    return used


def floor(scorer: Scorer, candidates: int) -> str:
    """What the products alone cost at the speed that this core has for them, and the bytes at 10 GB/s."""
    sizes = [scorer.depth, *scorer.shape.sizes[1:]]
    operations = 2 * candidates * sum(a * b for a, b in pairwise(sizes))
    left, right = np.ones((1_000, 256), np.float32), np.ones((256, 256), np.float32)
    used = min(_once(lambda: left @ right) for _ in range(200))
    speed = 2 * 1_000 * 256 * 256 / used
    held = candidates * 2 * (scorer.shape.products + sizes[1])
    took = (operations / speed + held / 1e10) * 1e3
    return f"{operations / 1e6:.0f} MFLOP at {speed / 1e9:.0f} GFLOP/s, {held / 1e6:.2f} MB at 10 GB/s: {took:.2f}"


def _once(work: Callable[[], object]) -> float:
    begun = time.thread_time()
    work()
    return time.thread_time() - begun


def stages(store: Store, queries: list[str], chosen: list[np.ndarray], rounds: int) -> float:
    """Each part by itself, then everything as the service does it: how long that took the processor."""
    vector, number = store.student.vectors(["a"])[0], len(queries)
    columns = [store.columns(queries[i % number], rows) for i, rows in enumerate(chosen)]
    graded = [store.grade(queries[i % number], vector, rows) for i, rows in enumerate(chosen)]
    wide = store.shares.numbers.astype(np.float32)
    scorer = store.student.scorer

    def at_width(held: Held) -> Callable[[int], object]:
        return lambda i: scorer.candidates(
            store.asked(queries[i % number], vector), held, chosen[i % len(chosen)], columns[i % len(chosen)]
        )

    retriever = Candidates()
    ranker = Ranker(store, retriever, blend=Blend())

    def search(i: int) -> object:
        retriever.found = chosen[i % len(chosen)]
        return ranker.search(queries[i % number], 50, len(retriever.found))

    match = store.signals.match
    timed("match features", lambda i: match.features(queries[i % number], chosen[i % number]), rounds)
    timed("all columns", lambda i: store.columns(queries[i % number], chosen[i % number]), rounds)
    for bits in (8, 16, 32):
        timed(f"network, {bits} bits kept", at_width(Held.of(wide, bits)), rounds)
    took = timed("everything, first 50", search, rounds)
    apart = max(
        float(np.abs(expected_level(found) - expected_level(_plain(store, vector, queries[i % number], rows))).max())
        for i, (found, rows) in enumerate(zip(graded, chosen))
    )
    print(f"furthest from the plain form: {apart:.6f} levels")
    print("floor of the network    ", floor(scorer, len(chosen[0])))
    return took


def _plain(store: Store, vector: np.ndarray, query: str, rows: np.ndarray) -> np.ndarray:
    features = store.signals.features(query, rows)
    return store.student.scorer.probabilities(vector[None], store.vectors.matrix[rows], features)


def peers(store: Store, batches: list[pa.Table], queries: list[str], chosen: list[np.ndarray], ours: float) -> None:
    """What others take, and how many times as long as ours that is."""
    import rerank_peers

    took = rerank_peers.trees(store, batches, queries, chosen)
    print(f"LightGBM, features included: {took:.1f}, {took / ours:.1f} times ours")
    for name, rate in rerank_peers.cross_encoders(queries, batches[0]):
        times = len(chosen[0]) / rate * 1e3 / ours
        print(f"cross-encoder by {name}: {rate:.0f} pairs a second of the processor, {times:.0f} times ours")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pins", type=int, default=50_000)
    parser.add_argument("--candidates", type=int, nargs="+", default=[1_000, 500, 100])
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--words", type=int, default=4, help="of a query")
    parser.add_argument("--hidden", type=int, nargs="+", default=list(Student().hidden))
    parser.add_argument("--products", type=int, default=Student().products)
    parser.add_argument("--peers", action="store_true")
    asked = parser.parse_args()
    world = World(50_000)
    queries = world.queries(40, asked.words)
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        settings = Student(hidden=tuple(asked.hidden), products=asked.products)
        store, batches = stand(Path(folder), asked.pins, settings, queries, world)
        draw = lambda count: np.sort(world.random.choice(asked.pins, count, replace=False))  # noqa: E731
        for count in asked.candidates:
            print(f"{count} of {asked.pins} Pins, {asked.words} words, hidden {settings.hidden}: ms p50 / p99")
            chosen = [draw(count) for _ in queries]
            took = stages(store, queries, chosen, asked.rounds)
            if asked.peers and count == asked.candidates[0]:
                peers(store, batches, queries, chosen, took)


if __name__ == "__main__":
    main()
