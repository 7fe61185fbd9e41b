"""Which pairs are worth a person's time: from a file, or those on which a teacher is unsure or graders differ.

A queue is a list of candidates, best first. What is chosen depends on nothing but the tables and the seed.
"""

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from limbeck.errors import InputError
from limbeck.rate.store import Pair, pair_id
from limbeck.relevance import LEVELS, expected_level, from_columns
from limbeck.workspace import digest_of

COLUMNS = ("query", "pin_id", "language", "country", "gold")


@dataclass(frozen=True)
class Candidate:
    """A pair that may be queued."""

    query: str
    pin_id: str
    language: str | None = None
    country: str | None = None
    gold: int | None = None

    def queued(self, queue: str, test: bool) -> Pair:
        """The pair as it stands in a queue."""
        name = pair_id(self.query, self.pin_id)
        return Pair(name, self.query, self.pin_id, self.language, self.country, queue, self.gold, test)


def from_file(path: Path, pins: Collection[str]) -> list[Candidate]:
    """The pairs of a CSV file: query, pin_id, and optionally language, country and gold, the level of a gold pair."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            _check_header(reader.fieldnames or [], path)
            return [_read(row, number, path, pins) for number, row in enumerate(reader, 2)]
    except FileNotFoundError:
        raise InputError("no such file of pairs", file=path) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"not a CSV file: {error}", file=path) from None


def unsure(soft_labels: pa.Table) -> list[Candidate]:
    """Pairs of the soft labels by the variance of the teacher's level, widest first: torn between 1 and 5 is worse
    than between 3 and 4."""
    distribution = from_columns(soft_labels)
    mean = expected_level(distribution)
    variance = ((np.asarray(LEVELS) - mean[:, None]) ** 2 * distribution).sum(axis=1)
    return _widest(soft_labels, variance)


def disagreed(asked: pa.Table, grades: Mapping[str, np.ndarray]) -> list[Candidate]:
    """Graded pairs (query, pin_id) by the standard deviation of the graders' expected levels, widest first."""
    levels = np.stack([expected_level(answer) for answer in grades.values()])
    return _widest(asked, levels.std(axis=0))


def feed(impressions: pa.Table, query: str) -> list[Candidate]:
    """All Pins that were ever shown for a query, in the order of their best position."""
    shown = impressions.group_by(["pin_id"]).aggregate([("position", "min"), ("language", "min"), ("country", "min")])
    rows = shown.sort_by([("position_min", "ascending"), ("pin_id", "ascending")]).to_pylist()
    return [Candidate(query, r["pin_id"], r["language_min"], r["country_min"]) for r in rows]


def unanimous(judgments: pa.Table, seed: int) -> list[Candidate]:
    """Pairs that several raters gave the same level, with that level as gold, in an order of chance."""
    asked = [("level", "min"), ("level", "max"), ("level", "count"), ("language", "min"), ("country", "min")]
    rows = judgments.group_by(["query", "pin_id"]).aggregate(asked).to_pylist()
    same = [r for r in rows if r["level_count"] > 1 and r["level_min"] == r["level_max"]]
    found = [Candidate(r["query"], r["pin_id"], r["language_min"], r["country_min"], r["level_min"]) for r in same]
    return by_chance(found, seed)


def by_chance(candidates: Sequence[Candidate], seed: int) -> list[Candidate]:
    """The candidates in an order that says nothing about them."""
    return sorted(candidates, key=lambda c: digest_of(str(seed), c.query, c.pin_id))


def of_table(rows: pa.Table) -> list[Candidate]:
    """Candidates from the columns query, pin_id, language and country of a table, in its order."""
    return [Candidate(**row) for row in rows.select(["query", "pin_id", "language", "country"]).to_pylist()]


def _widest(rows: pa.Table, width: np.ndarray) -> list[Candidate]:
    """Pairs by falling width, equal ones by name."""
    named = list(zip(rows.column("query").to_pylist(), rows.column("pin_id").to_pylist(), np.round(width, 6)))
    return [Candidate(query, pin) for query, pin, _ in sorted(named, key=lambda n: (-n[2], n[0], n[1]))]


def _check_header(names: Sequence[str], path: Path) -> None:
    for wanted in COLUMNS[:2]:
        if wanted not in names:
            raise InputError(f"no column {wanted!r}", file=path, remedy=f"Its first line names {', '.join(COLUMNS)}")
    unknown = set(names) - set(COLUMNS)
    if unknown:
        raise InputError(f"unknown column {min(unknown)!r}", file=path, remedy=f"Known are {', '.join(COLUMNS)}")


def _read(row: dict[str, Any], number: int, path: Path, pins: Collection[str]) -> Candidate:
    """One row; `InputError` names what is wrong with it."""
    given = {name: value for name, value in row.items() if value}
    if None in row or not (given.get("query") or "").strip():
        raise InputError("no query, or more values than columns", file=path, row=number)
    if given.get("pin_id") not in pins:
        raise InputError(f"no such Pin: {given.get('pin_id')!r}", file=path, row=number, column="pin_id")
    gold = given.pop("gold", None)
    if gold is not None and gold not in map(str, LEVELS):
        raise InputError(f"{gold!r} is no level from 1 to 5", file=path, row=number, column="gold")
    return Candidate(**given, gold=int(gold) if gold else None)
