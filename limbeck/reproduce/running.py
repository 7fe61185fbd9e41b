"""Variants run in workspaces of their own beside the main one, which lends them all that is made from the same.

A run that was killed goes on where it stopped: each variant is an ordinary run, and what it finished is kept.
"""

import time
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from rich.markup import escape

from limbeck import assembly, history, lineup, pipeline
from limbeck.errors import WorkspaceError
from limbeck.making import Run
from limbeck.progress import duration, say
from limbeck.reproduce.variants import Variant
from limbeck.settings import Recipe
from limbeck.signals import joined
from limbeck.sources import check
from limbeck.workspace import Workspace

FOLDER, GRADES = "reproduction", "evaluation/grades"
PAIR = ["query", "pin_id"]
Answers = Mapping[str, np.ndarray]  # by grader, (n, 5)


def place(ws: Workspace, variant: Variant) -> Workspace:
    """The variant's own workspace."""
    return Workspace(ws.root / FOLDER / variant.name, lender=ws)


class Outlook:
    """What variants will take, going by the main run's stages, and what of it is left."""

    def __init__(self, recipe: Recipe, ws: Workspace, asked: Sequence[Variant]) -> None:
        stages: Mapping[str, float] = history.seconds(ws, pipeline.STAGES)
        if "teach" not in stages:  # nothing was timed here yet
            stages = {**check.check(recipe).estimate.seconds, **stages}
        main = 0.0 if ws.has(GRADES) else sum(stages.values())
        waits = [v for v in asked if not place(ws, v).has(GRADES)]
        self._costs = {v.name: sum(stages.get(s, 0.0) * n for s, n in v.costs.items()) for v in waits}
        self._spent, self._expected = 0.0, 0.0
        work = f"{len(asked)} variants of the run, {len(asked) - len(waits)} of them done"
        seconds = main + self.left()
        say("cost", f"{work}; about {duration(seconds)}", variants=len(asked), waiting=len(waits), seconds=seconds)

    def keep(self, names: Iterable[str]) -> None:
        """Of the variants, only these turned out to be needed."""
        self._costs = {name: self._costs[name] for name in names if name in self._costs}

    def left(self) -> float:
        """Seconds, at the pace so far."""
        pace = self._spent / self._expected if self._expected else 1.0
        return sum(self._costs.values()) * pace

    def done(self, name: str, seconds: float) -> None:
        """A variant took so long."""
        expected = self._costs.pop(name, None)
        if expected:
            self._spent, self._expected = self._spent + seconds, self._expected + expected


def run(asked: Sequence[Variant], ws: Workspace, outlook: Outlook) -> None:
    """Bring variants up to date, one after the other. The main workspace is held meanwhile."""
    for number, variant in enumerate(asked, 1):
        left = f"about {duration(outlook.left())} left"
        message = f"\n[bold]{escape(variant.label)}[/] ({number} of {len(asked)}, {left})"
        say("variant", message, name=variant.name, number=number, of=len(asked), seconds_left=round(outlook.left(), 1))
        begun = time.monotonic()
        _run(variant, place(ws, variant))
        outlook.done(variant.name, time.monotonic() - begun)


def _run(variant: Variant, ws: Workspace) -> None:
    pipeline.run(variant.recipe, ws, variant.until)
    if variant.then is not None:
        _run(variant.then(offered(variant.recipe, ws)), ws)
        return
    names = variant.graders
    students = [name for name in names if name != "teacher"]
    inputs = ["judgments", "heldout", "composed", *(f"models/{name}" for name in names)]
    if students:
        inputs += ["signals/match", "encoder_vectors", *filter(ws.has, joined.OPTIONAL)]
    made = ws.made_from(inputs, graders=names, seed=variant.recipe.seed)
    with ws.writing():
        run = Run(variant.recipe, ws, {})
        run.folder(GRADES, made, lambda out, _: lineup.grade_heldout(variant.recipe, ws, out, names))


def offered(recipe: Recipe, ws: Workspace) -> float:
    """How many teacher labels there are for each human one."""
    labels = taught(recipe, ws)
    return labels["student"] / max(labels["student-human"], 1)


def taught(recipe: Recipe, ws: Workspace) -> dict[str, int]:
    """How many labels each student learns from: of the teacher, but "student-human", whose labels are people's."""
    learnt = {name: rows.num_rows for name, rows in assembly.curricula(recipe, ws).items()}
    people = learnt["student-human"] if recipe.student.human_weight else 0
    return {name: rows - (people if name != "student-human" else 0) for name, rows in learnt.items()}


def answers(ws: Workspace, main: Workspace) -> Answers:
    """What the graders of a variant answered, in the order of the main workspace's held-out pairs."""
    mine, theirs = (assembly.held_out(w).select(PAIR) for w in (main, ws))
    if not mine.equals(theirs):
        raise WorkspaceError(f"{ws.root}: other pairs are held out there than in {main.root}. Delete it and run again")
    return lineup.grades(ws)
