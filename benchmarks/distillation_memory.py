"""Memory and seconds of distillation by the number of teacher labels: does training stream from what lies on the disk?

    python benchmarks/distillation_memory.py --rows 1000000 10000000 --folder /tmp/distillation

Each number of rows is measured in a process of its own, by the stage's own code: a catalogue of Pins (20 words), a
table of soft labels with random answers to random queries of three words, 5,000 human judgments, match features, and a
student of the default size whose backbone (one small random layer) stays as it is. One epoch. Told are the seconds of
the processor and the most memory that was resident, and the most of it that is not mapped from files: what is mapped,
the system can take back at any time.
"""

import argparse
import multiprocessing
import resource
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import generated
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from limbeck import pipeline, progress
from limbeck.inputs import input_tables
from limbeck.making import Run
from limbeck.records import PROBABILITIES, schema
from limbeck.relevance import to_columns
from limbeck.settings import Measure, Recipe, Signals, Student, TableMapping, Teacher
from limbeck.workspace import Made, Workspace

JUDGED, WORDS, ROWS_PER_SHARD = 5_000, 3, 250_000


def main() -> None:
    """Measure every size, and print a row of a Markdown table for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--pins", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    recipe = _catalogue(given.folder, given.pins, given.queries)
    ws = Workspace(given.folder / "workspace")
    apart(prepare, recipe, ws)
    print(
        "| rows | CPU s | clock s | peak GB | most that is not mapped from files, GB |\n|---|---|---|---|---|",
        flush=True,
    )
    for rows in given.rows:
        apart(write_labels, ws, rows, given.pins, given.queries)
        apart(measure, recipe, ws, rows)


def apart(work: Callable[..., None], *arguments: object) -> None:
    """Do it in a process of its own."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(process.exitcode)


def _catalogue(folder: Path, pins: int, queries: int) -> Recipe:
    """Pins and human judgments as files, and the recipe that maps them."""
    known, random = generated.words(), np.random.default_rng(1)
    pq.write_table(generated.pins(pins, known), folder / "pins.parquet")
    asked, shown = random.choice(queries, JUDGED), random.choice(pins, JUDGED, replace=False)
    judged = {"query": _asked(known, asked), "pin_id": _ids(shown), "level": random.integers(1, 6, JUDGED)}
    pq.write_table(pa.table(judged), folder / "judgments.parquet")
    encoder = str(generated.small_encoder(folder / "encoder"))
    tables = {
        "pins": TableMapping(files=("pins.parquet",), columns={n: n for n in ("pin_id", "title", "description")}),
        "judgments": TableMapping(files=("judgments.parquet",), columns={n: n for n in judged}),
    }
    return Recipe(
        "distillation",
        tables={name: (mapping,) for name, mapping in tables.items()},
        teacher=Teacher(backbone=encoder),
        student=Student(backbone=encoder, epochs=1, max_tokens=48),
        signals=Signals(interests=False),
        measure=Measure(learning_curve=()),
        folder=folder,
    )


def _asked(known: np.ndarray, numbers: np.ndarray) -> pa.Array:
    """Queries by their numbers: always the same words for the same number."""
    different, place = np.unique(numbers, return_inverse=True)
    said = [" ".join(known[np.random.default_rng(int(n)).integers(len(known), size=WORDS)]) for n in different]
    return pa.array(said, pa.string()).take(pa.array(place))


def _ids(numbers: np.ndarray) -> pa.Array:
    return pa.array([f"pin{n:08d}" for n in numbers], pa.string())


def prepare(recipe: Recipe, ws: Workspace) -> None:
    """All that comes before the teacher."""
    progress.choose("quiet")
    pipeline.run(recipe, ws, "enrich")


def write_labels(ws: Workspace, rows: int, pins: int, queries: int) -> None:
    """So many soft labels, each of another pair, as a teacher would have left them."""
    known, ids = generated.words(), _ids(np.arange(pins))
    all_queries = _asked(known, np.arange(queries))

    def shard(begin: int) -> pa.Table:
        number = np.arange(begin, min(begin + ROWS_PER_SHARD, rows))
        random = np.random.default_rng(begin)
        query, pin = number % queries, (number // queries * 7_919 + number * 31) % pins  # distinct: in rounds
        answers = to_columns(random.dirichlet(np.ones(len(PROBABILITIES)), len(number)).astype(np.float32))
        keys = {"query": all_queries.take(pa.array(query)), "pin_id": ids.take(pa.array(pin))}
        constant = {name: pa.repeat("made", len(number)) for name in ("digest", "grader")}
        return pa.table({**keys, **constant, **answers}).select(schema("soft_labels").names)

    starts = range(0, rows, ROWS_PER_SHARD)
    shards = {f"{b // ROWS_PER_SHARD:05d}": (lambda b=b: shard(b)) for b in starts}
    ws.write_table("soft_labels", Made(settings={"rows": rows}), shards)


def measure(recipe: Recipe, ws: Workspace, rows: int) -> None:
    """Distil, and print what it took."""
    progress.choose("quiet")
    most, ended = [0], threading.Event()
    watch = threading.Thread(target=_watched, args=(most, ended), daemon=True)
    watch.start()
    used, begun = time.process_time(), time.perf_counter()
    with ws.writing():
        pipeline.distill(Run(recipe, ws, input_tables(recipe, ws.root)))
    seconds, clock = time.process_time() - used, time.perf_counter() - begun
    ended.set()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"| {rows:,} | {seconds:.0f} | {clock:.0f} | {peak:.2f} | {most[0] / 1e6:.2f} |", flush=True)
    shutil.rmtree(ws.root / "models")


def _watched(most: list[int], ended: threading.Event) -> None:
    """Note the most memory that is resident and not of files, in kB, a few times a second."""
    while not ended.wait(0.2):
        status = Path("/proc/self/status").read_text(encoding="ascii")
        most[0] = max(most[0], int(status.split("RssAnon:")[1].split()[0]))


if __name__ == "__main__":
    main()
