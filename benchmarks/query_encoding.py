"""Milliseconds to make the vector of one query, as the service does it, by the number of tokens; on one thread.

    OMP_NUM_THREADS=1 python benchmarks/query_encoding.py WORKSPACE [--tokens 6 8 16] [--rounds 300] [--held-out]

Each time is of another query, so that nothing is remembered. Processor time is told beside the clock's. The tower of
the workspace is timed as it is, and then in 8 bits (`index.tower_bits`). With `--held-out`, the student grades the
held-out pairs by the vectors of either: how far expected levels move, and how well both agree with people.
"""

import argparse
import random
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from limbeck.index import onnx
from limbeck.index.store import Store
from limbeck.measure.metrics import spearman
from limbeck.relevance import aggregate, expected_level, from_columns
from limbeck.signals import joined
from limbeck.student.grade import Student
from limbeck.student.quantization import quantize
from limbeck.student.served import TOKENIZER, ServedTower
from limbeck.workspace import Workspace

WARMING = 5  # queries
WORDS = (
    "red",
    "oak",
    "table",
    "lamp",
    "modern",
    "room",
    "small",
    "kitchen",
    "shelf",
    "wall",
    "light",
    "garden",
    "chair",
)


def queries(tokenizer: Tokenizer, tokens: int, count: int) -> list[str]:
    """Different queries of so many tokens, those that begin and end each one included."""
    size, chance, found = tokens - len(tokenizer.encode("").ids), random.Random(0), dict[str, None]()
    while len(found) < count:
        query = " ".join(chance.choices(WORDS, k=size))
        if len(tokenizer.encode(query).ids) == tokens:
            found[query] = None
    return list(found)


def timed(tower: ServedTower, asked: Sequence[str]) -> np.ndarray:
    """Milliseconds by the clock and of the processor, (n, 2), of each query but the first few."""
    taken = []
    for query in asked:
        begun, used = time.perf_counter(), time.process_time()
        tower.project(tower.read([query]))
        taken.append((time.perf_counter() - begun, time.process_time() - used))
    return 1e3 * np.asarray(taken[WARMING:])


def graded(ws: Workspace, tower: ServedTower, judged: pa.Table) -> np.ndarray:
    """Expected levels of judged pairs; NaN of Pins that are not served."""
    student = Student(ws.folder("models/student"), tower)
    store = replace(Store.open(ws), student=student, signals=joined.open(ws, student.read))
    rows, found = store.rows(judged.column("pin_id").to_pylist()), np.full(len(judged), np.nan)
    asked = np.asarray(judged.column("query").to_pylist(), dtype=object)
    for query in dict.fromkeys(asked):
        mine = (asked == query) & (rows >= 0)
        found[mine] = expected_level(store.grade(query, student.vectors([query])[0], rows[mine]))
    return found


def tell_moves(ws: Workspace, towers: Mapping[int, ServedTower]) -> None:
    judged = aggregate(ws.table("heldout"))
    people = expected_level(from_columns(judged))
    levels = {bits: graded(ws, tower, judged) for bits, tower in towers.items()}
    known = ~np.isnan(next(iter(levels.values())))
    exact, quantized = levels.values()
    moved = np.abs(exact - quantized)[known]
    agree = ", ".join(f"{spearman(of[known], people[known]):.4f} by {bits} bits" for bits, of in levels.items())
    far = ", ".join(f"{np.percentile(moved, share):.3f}" for share in (50, 99, 100))
    print(
        f"{known.sum():,} held-out pairs: expected levels move by {far} (p50, p99, most); Spearman with people {agree}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--tokens", type=int, nargs="+", default=[6, 8, 16])
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--held-out", action="store_true")
    asked = parser.parse_args()
    ws = Workspace(asked.workspace)
    folder = ws.folder("index/onnx") / onnx.STUDENT
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    tokenizer.no_padding()
    with tempfile.TemporaryDirectory() as scratch:
        quantize(shutil.copytree(folder, Path(scratch, "tower")))
        towers = {tower.bits: tower for tower in (ServedTower(folder), ServedTower(Path(scratch, "tower")))}
    for tokens in asked.tokens:
        some = queries(tokenizer, tokens, asked.rounds + WARMING)
        for bits, tower in towers.items():
            (p50, processor), (p99, _) = np.percentile(timed(tower, some), (50, 99), axis=0)
            times = f"p50 {p50:6.2f}   p99 {p99:6.2f}   processor p50 {processor:6.2f} ms"
            print(f"{tokens:3} tokens, {bits:2} bits   {times}")
    if asked.held_out:
        tell_moves(ws, towers)


if __name__ == "__main__":
    main()
