"""What the student of a run has with other settings: people's labels or the teacher's, cold Pins, sizes, bits.

    python benchmarks/student_variants.py recipes/demo.toml                      # in the workspace of a finished run
    python benchmarks/student_variants.py recipes/demo.toml --sizes 64 128 256 --dropouts 0 0.1

Students are trained from the run's own labels, their backbone as it comes, and grade its held-out pairs. Cold is who
has no signal at all: of a cold Pin, nothing about the Pin and about the pair; of a cold query likewise.
"""

import argparse
import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from limbeck import assembly, lineup
from limbeck.measure.compare import Comparer, estimate
from limbeck.measure.evaluation import Estimate
from limbeck.measure.sample import canonical_order, from_truth, ordered_grades
from limbeck.recipe_file import read
from limbeck.settings import Recipe, Student
from limbeck.signals import joined, text_match
from limbeck.student import encode
from limbeck.student.lessons import Lessons
from limbeck.student.scoring import Bits, Held, Scorer
from limbeck.student.train import train
from limbeck.workspace import Workspace

COLD = {
    "all signals": (),
    "cold Pins": ("pin", "pair"),
    "cold queries": ("query", "pair"),
    "both cold": ("pin", "query", "pair"),
}
BITS: tuple[Bits, ...] = (32, 16, 8)
BOOTSTRAP, CONFIDENCE = 1_000, 0.95
Grades = dict[str, np.ndarray]


class Run:
    """A finished run: what its students learn from, and the held-out pairs as they are graded."""

    def __init__(self, recipe: Recipe, ws: Workspace) -> None:
        self.recipe, self.ws, reader = recipe, ws, assembly.reader(recipe, ws)
        curricula = assembly.curricula(recipe, ws)
        self.truth, self.lessons = assembly.held_out(ws), assembly.lessons(recipe, ws, list(curricula.values()), reader)
        parts = {part: assembly.split(ws).select(curricula["student"], part) for part in ("train", "valid")}
        self.examples = {part: self.lessons.examples(rows) for part, rows in parts.items()}
        queries, pins = (self.truth.column(name).to_pylist() for name in ("query", "pin_id"))
        self.features = joined.open(ws, reader)
        self.told = self.features.pairs(queries, self.features.rows(pins))
        self.pins, self.pin = np.unique(pins, return_inverse=True)
        self.queries, self.query = np.unique(queries, return_inverse=True)
        self.pin_base = encode.Vectors(ws.table("encoder_vectors")).of(self.pins.tolist())
        self.query_base = reader(self.queries.tolist())

    def trained(self, without: bool = False, **settings: Any) -> "Trained":
        """A student of the recipe with some settings otherwise; `without` signals, they are as if they were not."""
        student = dataclasses.replace(assembly.adapted(self.recipe, self.ws).student, **settings)
        with tempfile.TemporaryDirectory() as folder:
            out, scratch = Path(folder, "out"), Path(folder, "scratch")
            out.mkdir()
            scratch.mkdir()
            given = _without(self.lessons) if without else self.lessons
            train(self.examples, given, student, self.recipe.seed, out, scratch)
            return Trained(self, student, out)


def _without(lessons: Lessons) -> Lessons:
    """The same lessons, nothing to be learnt from any signal."""
    names = {name for group in lessons.groups for name in group.names}
    other = Lessons.__new__(Lessons)
    other.__dict__.update(vars(lessons), left_out=frozenset(names))
    return other


class Trained:
    """A student, and what it makes of the held-out queries and Pins."""

    def __init__(self, run: Run, settings: Student, folder: Path) -> None:
        tower, self._run, self.settings = encode.Encoder.of_student(folder), run, settings
        self.scorer = Scorer(folder)
        self.query, self.pin = tower.project(run.query_base), tower.project(run.pin_base)

    def grades(self, hidden: tuple[str, ...] = ()) -> np.ndarray:
        """Five probabilities per held-out pair, by the plain form, signals about these sides unknown."""
        told = self._run.told.copy()
        for group, begin, end in self.scorer.shape.spans:
            if group.of in hidden:
                told[:, begin:end] = np.nan
        return self.scorer.probabilities(self.query[self._run.query], self.pin[self._run.pin], told)

    def of_bits(self, bits: Bits) -> np.ndarray:
        """The same as the service computes it, from so many bits of each number that it keeps of a Pin."""
        run, sides = self._run, np.asarray(self.scorer.shape.sides)
        first = np.unique(run.pin, return_index=True)[1]
        held = Held.of(self.scorer.held(self.pin, run.told[first][:, sides == "pin"]), bits)
        found = np.empty((len(run.pin), 5), np.float32)
        for number in range(len(run.queries)):
            mine = np.flatnonzero(run.query == number)
            asked = self.scorer.asked(self.query[number], run.told[mine[0], sides == "query"])
            found[mine] = self.scorer.candidates(asked, held, run.pin[mine], run.told[mine][:, sides == "pair"])
        return found

    def bytes_held(self, bits: Bits) -> int:
        """Bytes that the service gathers of a Pin."""
        return bits // 8 * (self.scorer.shape.products + self.scorer.shape.sizes[1])


def cold(run: Run, dropouts: list[float]) -> Grades:
    """By dropout and by what is cold, beside text match and a student that learnt from no signal."""
    human = assembly.judged(run.ws, "train")
    found = {"text match": text_match.fit(run.features.match, human).grade(run.truth)}
    for dropout in dropouts:
        student = run.trained(signal_dropout=dropout)
        found |= {f"dropout {dropout:g}, {name}": student.grades(hidden) for name, hidden in COLD.items()}
    return found | {"no signals learnt": run.trained(without=True, signal_dropout=0.0).grades()}


def weights(run: Run, shares: list[float]) -> Grades:
    """By the share of people's labels in what is learnt of pairs that people judged, beside the run's teacher."""
    found: Grades = {"teacher": lineup.grades(run.ws)["teacher"]}
    for share in shares:
        student = dataclasses.replace(run.recipe.student, human_weight=share)
        found[f"human weight {share:g}"] = (
            Run(dataclasses.replace(run.recipe, student=student), run.ws).trained().grades()
        )
    return found


def sizes(run: Run, numbers: list[int]) -> Grades:
    """By numbers per vector and bits of each."""
    found: Grades = {}
    for size in numbers:
        student = run.trained(vector_size=size, products=size)
        found |= {
            f"{size} numbers, {bits} bits, {student.bytes_held(bits)} bytes": student.of_bits(bits) for bits in BITS
        }
    return found


def report(truth: pa.Table, grades: Mapping[str, np.ndarray], beside: str) -> None:
    """Spearman, and the difference to one of them, as a Markdown table."""
    order = canonical_order(truth)
    comparer = Comparer(
        from_truth(truth.take(pa.array(order))), ordered_grades(grades, order), ("spearman", "log_loss")
    )
    comparer.resample(BOOTSTRAP, seed=0)
    print(f"| student | Spearman | less {beside} | log loss |\n|---|---|---|---|")
    for name in grades:
        value, drawn = comparer.values[name]["spearman"], comparer.resampled[name]["spearman"]
        other = comparer.values[beside]["spearman"], comparer.resampled[beside]["spearman"]
        less = estimate(value - other[0], drawn - other[1], CONFIDENCE)
        cells = [
            _said(estimate(value, drawn, CONFIDENCE)),
            _said(less, "+"),
            f"{comparer.values[name]['log_loss']:.4f}",
        ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _said(found: Estimate, sign: str = "") -> str:
    return f"{found.value:{sign}.4f} ({found.low:{sign}.4f} to {found.high:{sign}.4f})"


def main() -> None:
    """Train and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--workspace", type=Path, help="of the run, if not the recipe's")
    parser.add_argument("--dropouts", type=float, nargs="*", default=[0.0, 0.1, 0.3])
    parser.add_argument("--sizes", type=int, nargs="*", default=[64, 128, 256])
    parser.add_argument("--human-weights", type=float, nargs="*", default=[0.0, 0.5, 1.0])
    asked = parser.parse_args()
    recipe = read(asked.recipe)
    run = Run(recipe, Workspace(asked.workspace or Path(recipe.workspace or f"workspaces/{recipe.name}")))
    if asked.human_weights:
        report(run.truth, weights(run, asked.human_weights), f"human weight {asked.human_weights[0]:g}")
    if asked.dropouts:
        report(run.truth, cold(run, asked.dropouts), f"dropout {asked.dropouts[0]:g}, all signals")
    if asked.sizes:
        found = sizes(run, asked.sizes)
        report(
            run.truth,
            found,
            next(name for name in found if name.startswith(f"{recipe.student.vector_size} numbers, 32")),
        )


if __name__ == "__main__":
    main()
