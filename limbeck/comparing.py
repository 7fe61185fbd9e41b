"""Two runs compared: the graders of both, side by side, on the held-out pairs that both were measured on."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from limbeck import assembly, lineup
from limbeck.errors import InputError
from limbeck.measure import evaluate, report
from limbeck.measure.evaluation import Evaluation
from limbeck.settings import Recipe
from limbeck.workspace import Workspace

PAGE = "comparison.html"
ABSENT = "–"


def compare(recipe: Recipe, ws: Workspace, other: Workspace, name: str, before: Recipe | None = None) -> Evaluation:
    """Write `comparison.html` into the workspace: its run against the `other` one, called `name`.

    Differences are to the other's student. `before` is the other's recipe, for the settings that differ.
    """
    for asked in (ws, other):
        if not asked.has("evaluation/grades"):
            raise InputError("nothing was evaluated there yet", file=asked.root, remedy="`limbeck run RECIPE` does it")
    evaluation = _evaluation(recipe, ws, other, name)
    contents = report.Contents(
        title=f"{recipe.name} against {name}",
        evaluation=evaluation,
        settings={f"what {name} had otherwise": dict(_changed(_plain(before), _plain(recipe)))} if before else {},
    )
    (ws.root / PAGE).write_text(report.render(contents), encoding="utf-8")
    return evaluation


def _evaluation(recipe: Recipe, ws: Workspace, other: Workspace, name: str) -> Evaluation:
    truth, here, there = _common(ws, other)
    apart = lineup.measured_apart(recipe)
    mine = {grader: a[here] for grader, a in lineup.grades(ws).items() if grader not in apart}
    theirs = {f"{grader} ({name})": a[there] for grader, a in lineup.grades(other).items() if grader not in apart}
    measure = dataclasses.replace(recipe.measure, baseline=f"student ({name})")
    return evaluate.evaluate(mine | theirs, truth, measure, recipe.seed)


def _common(ws: Workspace, other: Workspace) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    """The held-out pairs of both, as this workspace judged them, and their rows here and there."""
    truth = assembly.held_out(ws)
    place = {pair: row for row, pair in enumerate(_pairs(assembly.held_out(other)))}
    there = np.asarray([place.get(pair, -1) for pair in _pairs(truth)], dtype=np.int64)
    here = np.flatnonzero(there >= 0)
    if not len(here):
        raise InputError(
            f"no held-out pair is also one of {other.root}", file=ws.root, remedy="Compare runs on one task"
        )
    return truth.take(pa.array(here)), here, there[here]


def _pairs(table: pa.Table) -> Iterator[tuple[str, str]]:
    return zip(table.column("query").to_pylist(), table.column("pin_id").to_pylist())


def _plain(recipe: Recipe) -> Mapping[str, Any]:
    return dict(msgspec.to_builtins({k: v for k, v in vars(recipe).items() if k not in ("folder", "tables", "name")}))


def _changed(before: Mapping[str, Any], after: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, str]]:
    """The settings that differ, by their keys: what they were and what they are."""
    for key in [*before, *(k for k in after if k not in before)]:
        old, new = before.get(key), after.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _changed(old, new, f"{where}{key}.")
        elif old != new:
            yield f"{where}{key}", f"{ABSENT if old is None else old} → {ABSENT if new is None else new}"
