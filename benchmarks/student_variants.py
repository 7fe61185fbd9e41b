"""What the student of a run has with other settings: people's labels or the teacher's, cold Pins, layers, sizes, bits.

    python benchmarks/student_variants.py recipes/demo.toml                      # in the workspace of a finished run
    python benchmarks/student_variants.py recipes/demo.toml --only sizes --sizes 64 128 256
    python benchmarks/student_variants.py recipes/demo.toml --only layers --layers 128:256,128 64:128,64 --seeds 0 1 2

Students are trained from the run's own labels, their backbone as it comes, and grade its held-out pairs. Cold is who
has no signal at all: of a cold Pin, nothing about the Pin and about the pair; of a cold query likewise.
"""

import argparse
import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from limbeck import assembly, lineup
from limbeck.measure.compare import Comparer, estimate
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
ARMS = ("human-weights", "human-shares", "dropouts", "layers", "sizes")
BITS: tuple[Bits, ...] = (32, 16, 8)
BOOTSTRAP, CONFIDENCE = 1_000, 0.95
Grades = dict[str, list[np.ndarray]]  # of every seed's student


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

    def trained(self, seed: int, without: bool = False, **settings: Any) -> "Trained":
        """A student of the recipe with some settings otherwise; `without` signals, they are as if they were not."""
        student = dataclasses.replace(assembly.adapted(self.recipe, self.ws).student, **settings)
        with tempfile.TemporaryDirectory() as folder:
            out, scratch = Path(folder, "out"), Path(folder, "scratch")
            out.mkdir()
            scratch.mkdir()
            given = _without(self.lessons) if without else self.lessons
            train(self.examples, given, student, seed, out, scratch)
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


def cold(run: Run, dropouts: list[float], seeds: list[int]) -> Grades:
    """By dropout and by what is cold, beside text match and a student that learnt from no signal."""
    human = assembly.judged(run.ws, "train")
    found: Grades = {"text match": [text_match.fit(run.features.match, human).grade(run.truth)]}
    for dropout in dropouts:
        students = [run.trained(seed, signal_dropout=dropout) for seed in seeds]
        for name, hidden in COLD.items():
            found[f"dropout {dropout:g}, {name}"] = [student.grades(hidden) for student in students]
    found["no signals learnt"] = [run.trained(seed, without=True, signal_dropout=0.0).grades() for seed in seeds]
    return found


def said(run: Run, name: str, values: list[float], seeds: list[int]) -> Grades:
    """By how much what people said counts (`human_weight`, `human_share`), beside the run's teacher."""
    found: Grades = {"teacher": [lineup.grades(run.ws)["teacher"]]}
    for value in values:
        setting: dict[str, Any] = {name: value}
        student = dataclasses.replace(run.recipe.student, **setting)
        other = Run(dataclasses.replace(run.recipe, student=student), run.ws)
        found[f"{name} {value:g}"] = [other.trained(seed).grades() for seed in seeds]
    return found


def layers(run: Run, arranged: list[str], seeds: list[int]) -> Grades:
    """By products and hidden layers, as in "128:256,128"."""
    found: Grades = {}
    for each in arranged:
        products, hidden = each.split(":")
        sizes = tuple(int(size) for size in hidden.split(","))
        found[each] = [run.trained(seed, products=int(products), hidden=sizes).grades() for seed in seeds]
    return found


def sizes(run: Run, numbers: list[int], seeds: list[int]) -> Grades:
    """By numbers per vector and bits of each."""
    found: Grades = {}
    for size in numbers:
        students = [run.trained(seed, vector_size=size, products=size) for seed in seeds]
        for bits in BITS:
            name = f"{size} numbers, {bits} bits, {students[0].bytes_held(bits)} bytes"
            found[name] = [student.of_bits(bits) for student in students]
    return found


def report(truth: pa.Table, grades: Grades) -> None:
    """Spearman and log loss, and the difference to the first, as a Markdown table: means over seeds."""
    order, beside = canonical_order(truth), next(iter(grades))
    each = {f"{name} {seed}": found for name, seeds in grades.items() for seed, found in enumerate(seeds)}
    metrics = ("spearman", "log_loss")
    comparer = Comparer(from_truth(truth.take(pa.array(order))), ordered_grades(each, order), metrics)
    comparer.resample(BOOTSTRAP, seed=0)
    mean = {name: [_mean(comparer, name, len(seeds), metric) for metric in metrics] for name, seeds in grades.items()}
    print(f"| student | Spearman | less {beside} | log loss | less |\n|---|---|---|---|---|")
    for name, found in mean.items():
        cells = []
        for (value, drawn), (other, others) in zip(found, mean[beside]):
            cells += [_told(value, drawn), _told(value - other, drawn - others, "+")]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _mean(comparer: Comparer, name: str, seeds: int, metric: str) -> tuple[float, np.ndarray]:
    """A metric of all pairs, and of each resample: the mean over seeds."""
    names = [f"{name} {seed}" for seed in range(seeds)]
    drawn = np.asarray([comparer.resampled[n][metric] for n in names])
    return float(np.mean([comparer.values[n][metric] for n in names])), drawn.mean(axis=0)


def _told(value: float, drawn: np.ndarray, sign: str = "") -> str:
    found = estimate(value, drawn, CONFIDENCE)
    return f"{found.value:{sign}.4f} ({found.low:{sign}.4f} to {found.high:{sign}.4f})"


def main() -> None:
    """Train and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--workspace", type=Path, help="of the run, if not the recipe's")
    parser.add_argument("--only", nargs="+", choices=ARMS, default=ARMS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--human-weights", type=float, nargs="+", default=[0.0, 0.5, 1.0])
    parser.add_argument("--human-shares", type=float, nargs="+", default=[0.0, 0.2, 0.5])
    parser.add_argument("--dropouts", type=float, nargs="+", default=[0.0, 0.1, 0.3])
    parser.add_argument("--layers", nargs="+", default=["128:256,128", "128:128,64", "64:128,64"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 64, 256])
    asked = parser.parse_args()
    recipe = read(asked.recipe)
    run = Run(recipe, Workspace(asked.workspace or Path(recipe.workspace or f"workspaces/{recipe.name}")))
    arms: dict[str, Callable[[], Grades]] = {
        "human-weights": lambda: said(run, "human_weight", asked.human_weights, asked.seeds),
        "human-shares": lambda: said(run, "human_share", asked.human_shares, asked.seeds),
        "dropouts": lambda: cold(run, asked.dropouts, asked.seeds),
        "layers": lambda: layers(run, asked.layers, asked.seeds),
        "sizes": lambda: sizes(run, asked.sizes, asked.seeds),
    }
    for arm in asked.only:
        report(run.truth, arms[arm]())


if __name__ == "__main__":
    main()
