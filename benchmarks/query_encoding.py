"""Milliseconds to make the vector of one query, as the service does it, by the number of tokens; on one thread.

    OMP_NUM_THREADS=1 python benchmarks/query_encoding.py WORKSPACE [--tokens 6 8 16] [--rounds 300]

Each time is of another query, so that nothing is remembered. Processor time is told beside the clock's.
"""

import argparse
import time
from itertools import permutations
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from limbeck.index import onnx
from limbeck.student.served import TOKENIZER, ServedTower
from limbeck.workspace import Workspace

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
    size = tokens - len(tokenizer.encode("").ids)
    found = (" ".join(words) for words in permutations(WORDS, size))
    return [query for _, query in zip(range(count), (q for q in found if len(tokenizer.encode(q).ids) == tokens))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--tokens", type=int, nargs="+", default=[6, 8, 16])
    parser.add_argument("--rounds", type=int, default=300)
    asked = parser.parse_args()
    folder = Workspace(asked.workspace).folder("index/onnx") / onnx.STUDENT
    tower, tokenizer = ServedTower(folder), Tokenizer.from_file(str(folder / TOKENIZER))
    tokenizer.no_padding()
    for tokens in asked.tokens:
        taken = []
        for query in queries(tokenizer, tokens, asked.rounds + 5):
            begun, used = time.perf_counter(), time.process_time()
            tower.project(tower.read([query]))
            taken.append((time.perf_counter() - begun, time.process_time() - used))
        clock, processor = 1e3 * np.asarray(taken[5:]).T
        p50, p99 = np.percentile(clock, (50, 99))
        print(f"{tokens:3} tokens   p50 {p50:6.2f}   p99 {p99:6.2f}   processor p50 {np.median(processor):6.2f} ms")


if __name__ == "__main__":
    main()
