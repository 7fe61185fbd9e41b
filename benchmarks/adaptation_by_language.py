"""Does pre-training on the catalogue's texts carry English labels to the other languages? Measured in the world.

    python benchmarks/adaptation_by_language.py --out build/adaptation                 # the default world: hours
    python benchmarks/adaptation_by_language.py --out build/adaptation --pins 3000 --judged 1500 --held-out 1500

In the generated world raters judge English pairs only, and held-out pairs are in five languages. The same teacher is
trained from the backbone as it comes and from the adapted one; both are measured per language on the held-out pairs.
What is there already under --out is not made again.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from limbeck import assembly, pipeline, relevance
from limbeck.measure.compare import Comparer, estimate
from limbeck.measure.evaluation import Estimate
from limbeck.measure.sample import canonical_order, from_truth, ordered_grades
from limbeck.measure.scores import METRICS
from limbeck.recipe_file import read
from limbeck.settings import Adapt, Recipe
from limbeck.teacher.grade import TeacherGrader
from limbeck.workspace import Workspace

MEASURED = ("spearman", "ndcg@20", "accuracy", "log_loss")
RECIPE = Path(__file__).parent.parent / "recipes" / "world.toml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("build/adaptation"))
    parser.add_argument("--pins", type=int, default=20_000)
    parser.add_argument("--judged", type=int, default=3_000)
    parser.add_argument("--held-out", type=int, default=3_000)
    parser.add_argument("--epochs", type=float, default=Adapt.epochs, help="of the adaptation")
    given = parser.parse_args()
    recipe = read(RECIPE)
    scale = given.pins / 20_000
    world = dataclasses.replace(
        recipe.world,
        pins=given.pins,
        users=round(2_000 * scale),
        searches=round(40_000 * scale),
        judged_pairs=given.judged,
        heldout_pairs=given.held_out,
        pictures=False,
    )
    grades = {}
    for name, adapt in (("as it comes", None), ("adapted", Adapt(epochs=given.epochs))):
        grades[name] = graded(dataclasses.replace(recipe, world=world, adapt=adapt), given.out, name)
    report(assembly.held_out(Workspace(given.out / "workspace")), grades)


def graded(recipe: Recipe, out: Path, name: str) -> np.ndarray:
    """What the teacher of this recipe answers to the held-out pairs."""
    done = out / f"{name}.parquet"
    if not done.exists():
        ws = Workspace(out / "workspace")
        pipeline.run(recipe, ws, "teach")
        answers = TeacherGrader(ws.folder("models/teacher"), ws.table("composed")).grade(assembly.held_out(ws))
        pq.write_table(pa.table(relevance.to_columns(answers)), done)
    return relevance.from_columns(pq.read_table(done))


def report(truth: pa.Table, grades: dict[str, np.ndarray]) -> None:
    """Print, as Markdown, both teachers' figures by language, and the one's less the other's."""
    columns = ["language", "pairs, queries", "teacher", *(METRICS[m].label for m in MEASURED)]
    print(row(*columns), "|---" * len(columns) + "|", sep="\n")
    spoken = np.asarray(truth.column("language").to_pylist())
    for language in np.unique(spoken):
        keep = spoken == language
        named = {name: answers[keep] for name, answers in grades.items()}
        print(*lines(str(language), truth.filter(pa.array(keep)), named), sep="\n")


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def lines(language: str, truth: pa.Table, grades: dict[str, np.ndarray]) -> list[str]:
    """Three lines of the table: each teacher, and the difference."""
    order = canonical_order(truth)
    sample = from_truth(truth.take(pa.array(order)))
    comparer = Comparer(sample, ordered_grades(grades, order), MEASURED)
    comparer.resample(2_000, 0)
    size = f"{len(sample)}, {sample.queries}"
    found = [row(language, size, name, *map(cell, comparer.estimates(name, 0.95).values())) for name in grades]
    less = []
    for m in MEASURED:
        difference = comparer.values["adapted"][m] - comparer.values["as it comes"][m]
        drawn = comparer.resampled["adapted"][m] - comparer.resampled["as it comes"][m]
        less.append(cell(estimate(difference, drawn, 0.95), "+"))
    return [*found, row(language, size, "difference", *less)]


def cell(found: Estimate, sign: str = "") -> str:
    return f"{found.value:{sign}.3f} ({found.low:{sign}.3f} to {found.high:{sign}.3f})"


if __name__ == "__main__":
    main()
