"""Qrels and run files, for trec_eval, ir_measures and whatever else reads them.

Both formats separate columns by spaces, so queries are numbered (queries.tsv tells which is which), and characters of
Pin ids and grader names that would break a line are percent-encoded.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow as pa

from limbeck.measure.sample import Sample, canonical_order, expected, from_truth, ordered_grades


def write(folder: Path, grades: Mapping[str, np.ndarray], truth: pa.Table) -> None:
    """Write qrels.txt (gain = level − 1), queries.tsv and one run file per grader into an existing folder."""
    order = canonical_order(truth)
    truth, ordered = truth.take(pa.array(order)), ordered_grades(grades, order)
    sample = from_truth(truth)
    documents = [quote(pin, safe="") for pin in truth.column("pin_id").to_pylist()]
    queries = truth.column("query").unique().to_pylist()
    _write_lines(folder / "queries.tsv", (f"{i}\t{_one_line(q)}" for i, q in enumerate(queries, 1)))
    rows = zip(sample.query, documents, sample.level)
    _write_lines(folder / "qrels.txt", (f"{q + 1} 0 {d} {level - 1}" for q, d, level in rows))
    for name, distribution in ordered.items():
        tag = _file_name(name)
        _write_lines(folder / f"run-{tag}.txt", _run(sample, documents, expected(distribution), tag))


def _run(sample: Sample, documents: list[str], score: np.ndarray, tag: str) -> list[str]:
    """Lines of a run, best first within each query."""
    order = np.lexsort((-score, sample.query))
    first = np.searchsorted(sample.query, sample.query[order], side="left")
    ranks = np.arange(len(order)) - first + 1
    return [f"{sample.query[i] + 1} Q0 {documents[i]} {rank} {score[i]:.9g} {tag}" for i, rank in zip(order, ranks)]


def _file_name(grader: str) -> str:
    """A grader's name as part of a file name: "text match" is "text-match"."""
    return quote(re.sub(r"\s+", "-", grader), safe="").replace("%", "_")


def _one_line(query: str) -> str:
    return re.sub(r"[\t\r\n\v\f\x1c-\x1e\x85\u2028\u2029]", " ", query)


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
