"""Variants of a run side by side: rows with intervals and paired differences, and what they show in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from limbeck import settings
from limbeck.measure import wording
from limbeck.measure.compare import Comparer, correct
from limbeck.measure.evaluation import Comparison, Estimate
from limbeck.measure.sample import canonical_order, from_truth, ordered_grades

SHOWN = ("accuracy", "auroc_3", "auroc_4", "auroc_5", "ndcg@20", "spearman")


@dataclass(frozen=True)
class Entry:
    """A row to be measured: what a grader of some variant answered to the held-out pairs, (n, 5)."""

    name: str  # of what is varied
    grader: str
    answers: np.ndarray
    against: int | None = None  # the number of the entry that it is compared with
    labelled: int = 0  # pairs that it learnt from, where that is what is varied
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A measured entry. `differences` are to the row called `against`: of the headline metric, by its name."""

    name: str
    grader: str
    metrics: Mapping[str, Estimate]
    against: str = ""
    differences: Mapping[str, Comparison] = field(default_factory=dict)
    labelled: int = 0
    note: str = ""


@dataclass(frozen=True)
class Quoted:
    """A figure of the paper, as found; none where it was not found."""

    what: str
    figure: str = ""
    source: str = ""


@dataclass(frozen=True)
class Table:
    """One table of the paper, measured here. Each difference should be `higher` or else lower than nothing."""

    number: int
    title: str
    question: str
    claim: str  # what the paper found
    pairs: int
    queries: int
    headline: str
    confidence: float
    rows: tuple[Row, ...]
    higher: bool = True
    remarks: tuple[str, ...] = ()
    paper: tuple[Quoted, ...] = ()


def measure(entries: Sequence[Entry], truth: pa.Table, asked: settings.Measure, seed: int) -> list[Row]:
    """Entries on the same held-out pairs, in their rows' order; p-values are not corrected yet."""
    order = canonical_order(truth)
    ordered = ordered_grades({str(i): entry.answers for i, entry in enumerate(entries)}, order)
    names = tuple(dict.fromkeys([*SHOWN, asked.headline]))
    comparer = Comparer(from_truth(truth.take(pa.array(order))), ordered, names)
    comparer.resample(asked.bootstrap, seed)
    pairs = [(str(i), str(entry.against)) for i, entry in enumerate(entries) if entry.against is not None]
    compared = comparer.compare(pairs, (asked.headline,), asked.confidence, seed)
    differences = dict(zip((i for i, _ in pairs), compared))
    return [
        Row(
            name=entry.name,
            grader=entry.grader,
            metrics=comparer.estimates(str(i), asked.confidence),
            against=called(entries[entry.against], entry) if entry.against is not None else "",
            differences=differences.get(str(i), {}),
            labelled=entry.labelled,
            note=entry.note,
        )
        for i, entry in enumerate(entries)
    ]


def called(entry: Entry | Row, beside: Entry | Row) -> str:
    """How an entry is told from another one: by its name, or where that is the same, by its grader."""
    return entry.grader if entry.name == beside.name else entry.name


def corrected(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows with p-values corrected for all comparisons of the table at once (Holm)."""
    found = correct({str(i): dict(row.differences) for i, row in enumerate(rows) if row.differences})
    return tuple(replace(row, differences=found.get(str(i), {})) for i, row in enumerate(rows))


def findings(table: Table) -> list[str]:
    """Which differences are as the paper found them, which could be chance, and which are the other way round."""
    sorts: dict[str, list[str]] = {"": [], "unsure": [], "against": []}
    rows = [row for row in table.rows if table.headline in row.differences]
    several = len({row.grader for row in rows}) > 1
    for row in rows:
        comparison = row.differences[table.headline]
        name = f"{row.name}, {row.grader}" if several else row.name
        sorts[_sort(comparison, table)].append(f"{name} ({wording.signed(comparison.difference.value)})")
    said = {
        "": "As in the paper",
        "unsure": "Could be chance here",
        "against": "The other way round here",
    }
    return [f"{said[sort]}: {'; '.join(names)}." for sort, names in sorts.items() if names]


def _sort(comparison: Comparison, table: Table) -> str:
    if not wording.sure(comparison, table.confidence):
        return "unsure"
    return "" if ((comparison.difference.value or 0.0) > 0) == table.higher else "against"
