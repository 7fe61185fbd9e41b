"""Pairs graded per second on one core, by the teacher and by the student, out of the workspace of a finished run.

    OMP_NUM_THREADS=1 python benchmarks/grading_rates.py WORKSPACE [--pairs 512] [--candidates 1000] [--rounds 50]

The teacher grades held-out pairs as it labels in bulk. The student re-ranks candidates as the service does: the
vector of the query is known (it is made once a query, told apart), everything else is computed. Told are pairs per
second of the processor's time, as on a busy machine the clock says little, and how many times the teacher's the
student's are.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from limbeck import assembly, progress
from limbeck.index.store import Store
from limbeck.serve.ranker import Ranker
from limbeck.teacher.grade import TeacherGrader
from limbeck.workspace import Workspace


def main() -> None:
    """Time both, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--pairs", type=int, default=512, help="that the teacher grades")
    parser.add_argument("--candidates", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=50)
    asked = parser.parse_args()
    progress.choose("quiet")
    torch.set_num_threads(1)
    ws = Workspace(asked.workspace)
    teacher = teachers(ws, asked.pairs)
    print(f"teacher: {teacher:,.0f} pairs a second", flush=True)
    student = students(ws, asked.candidates, asked.rounds)
    print(f"student: {student:,.0f} pairs a second, {student / teacher:,.0f} times the teacher's")


def teachers(ws: Workspace, pairs: int) -> float:
    """Pairs per second of the processor, after a few to warm up."""
    held = assembly.held_out(ws)
    some = held.take(np.random.default_rng(0).choice(held.num_rows, min(pairs, held.num_rows), replace=False))
    grader = TeacherGrader(ws.folder("models/teacher"), ws.table("composed", ["pin_id", "text"]))
    grader.grade(some.slice(0, 32))
    return some.num_rows / used(lambda: grader.grade(some))


def students(ws: Workspace, candidates: int, rounds: int) -> float:
    """Pairs per second of the processor: the median over queries."""
    ranker, random = Ranker(Store.open(ws)), np.random.default_rng(0)
    queries = sorted(set(assembly.held_out(ws).column("query").to_pylist()))[:rounds]
    pins = ws.table("pin_vectors", ["pin_id"]).column("pin_id").to_pylist()
    chosen = [random.choice(len(pins), min(candidates, len(pins)), replace=False) for _ in queries]
    asked = [(query, [pins[i] for i in rows]) for query, rows in zip(queries, chosen)]
    reading = [used(lambda q=query, p=some: ranker.grade(q, p[:1])) for query, some in asked]
    print(f"student: {1e3 * float(np.median(reading)):.1f} ms to read a query, once")
    return len(asked[0][1]) / float(np.median([used(lambda q=q, p=p: ranker.grade(q, p)) for q, p in asked]))


def used(work: Callable[[], object]) -> float:
    """Seconds of the processor."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


if __name__ == "__main__":
    main()
