"""The teacher's heads and targets side by side on Home Depot: softmax or ordinal, levels or the raters' distribution.

    python benchmarks/teacher_heads.py --out build/heads                       # every pair: hours on two cores
    python benchmarks/teacher_heads.py --out build/heads --train 4000 --valid 1000 --test 8000 --seeds 3 --epochs 1

Needs LIMBECK_DATA. Whole queries are taken, always the same ones. Every arm is trained with every seed, calibrated on
the validation pairs' levels, and measured on the test pairs; a figure is the mean over seeds, its interval that of a
bootstrap over test queries (paired for differences). What is there already under --out is not trained again.
"""

import argparse
import csv
import dataclasses
import io
import json
import os
import time
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy.stats import binom

from limbeck import assembly, pipeline, relevance
from limbeck.measure.compare import Comparer, estimate
from limbeck.measure.evaluation import Estimate
from limbeck.measure.sample import canonical_order, from_truth, ordered_grades
from limbeck.measure.scores import METRICS
from limbeck.progress import console
from limbeck.recipe_file import read
from limbeck.relevance import LEVELS, from_columns, to_columns
from limbeck.settings import Recipe
from limbeck.teacher import train
from limbeck.teacher.grade import TeacherGrader
from limbeck.workspace import Workspace, digest_of

HEADS, TARGETS = ("softmax", "ordinal"), ("levels", "raters")
Arm = tuple[str, str]
ARMS: list[Arm] = [(head, target) for head in HEADS for target in TARGETS]
MEASURED = ("spearman", "ndcg@20", "accuracy", "off_by_one", "kappa", "log_loss", "rps", "calibration")
PANEL = 3  # raters of a pair
RECIPE = Path(__file__).parent.parent / "recipes" / "homedepot.toml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("build/heads"))
    for part in ("train", "valid", "test"):
        parser.add_argument(f"--{part}", type=int, help=f"about so many {part} pairs; all without")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=float)
    names = ["-".join(arm) for arm in ARMS]
    parser.add_argument("--arms", nargs="+", choices=names, default=names, help="the first is what others are less of")
    given = parser.parse_args()
    arms = [arm for name in given.arms for arm in ARMS if "-".join(arm) == name]
    recipe = read(RECIPE)
    teacher = dataclasses.replace(recipe.teacher, epochs=given.epochs or recipe.teacher.epochs)
    recipe = dataclasses.replace(recipe, teacher=teacher)
    parts = read_parts(recipe, given.out, {part: getattr(given, part) for part in ("train", "valid", "test")})
    console.print({part: (rows.num_rows, len(rows.column("query").unique())) for part, rows in parts.items()})
    grades = {
        (arm, seed): graded(recipe, parts, arm, seed, given.out / f"{arm[0]}-{arm[1]}-{seed}")
        for seed in range(given.seeds)
        for arm in arms
    }
    report(parts["test"], grades, arms, given.seeds)


def read_parts(recipe: Recipe, out: Path, wanted: dict[str, int | None]) -> dict[str, pa.Table]:
    """Judged pairs with texts; those to train on with a rebuilt distribution of the raters."""
    ws = Workspace(out / "workspace")
    pipeline.run(recipe, ws, "enrich")
    means = raters_means()
    parts = {}
    for part, about in wanted.items():
        rows = some_queries(assembly.judged(ws, part), about)
        if part == "train":
            pairs = zip(rows.column("query").to_pylist(), rows.column("pin_id").to_pylist())
            rebuilt = another_panel(np.asarray([means[pair] for pair in pairs]))
            assert (rebuilt.argmax(axis=1) == from_columns(rows).argmax(axis=1)).all()
            for name, column in to_columns(rebuilt).items():
                rows = rows.set_column(rows.column_names.index(name), name, column)
        parts[part] = rows
    return parts


def raters_means() -> dict[tuple[str, str], float]:
    """The mean of the raters' 1 to 3 of each (query, product)."""
    folder = Path(os.environ.get("LIMBECK_DATA", RECIPE.parent.parent / "data")) / "homedepot"
    with zipfile.ZipFile(folder / "train.csv.zip") as archive, archive.open("train.csv") as file:
        rows = csv.DictReader(io.TextIOWrapper(file, "latin-1", newline=""))
        return {(row["search_term"], row["product_uid"]): float(row["relevance"]) for row in rows}


def another_panel(means: np.ndarray) -> np.ndarray:
    """The levels that another panel of three would give, (n, 5), its ratings drawn from those of the first.

    Home Depot publishes the raters' mean alone. Their ratings are taken to be the two next to it (2.33: 2, 2 and 3).
    """
    floor = np.minimum(np.floor(means), 2)
    distribution = np.zeros((len(means), len(LEVELS)), dtype=np.float32)
    for higher in range(PANEL + 1):
        level = np.searchsorted([1.2, 1.5, 2.2, 2.8], floor + higher / PANEL, side="right")
        distribution[np.arange(len(means)), level] += binom.pmf(higher, PANEL, means - floor)
    return distribution


def some_queries(rows: pa.Table, about: int | None) -> pa.Table:
    """The rows of so many queries that there are about so many, in an order that chance made once."""
    counts = rows.group_by("query").aggregate([("pin_id", "count")]).to_pylist()
    counts.sort(key=lambda row: digest_of("heads", row["query"]))
    upto = np.cumsum([row["pin_id_count"] for row in counts])
    taken = [row["query"] for row, count in zip(counts, upto) if about is None or count <= about]
    return rows.filter(pc.is_in(rows.column("query"), pa.array(taken)))


def graded(recipe: Recipe, parts: dict[str, pa.Table], arm: Arm, seed: int, folder: Path) -> np.ndarray:
    """What the arm's teacher answers to the test pairs."""
    done = folder / "grades.parquet"
    if not done.exists():
        head, target = arm
        settings = dataclasses.replace(
            assembly.located(recipe).teacher, head=head, raters_distribution=target == "raters"
        )
        (folder / "scratch").mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        train.train({p: parts[p] for p in ("train", "valid")}, settings, seed, folder / "teacher", folder / "scratch")
        minutes, noted = (time.monotonic() - begun) / 60, (folder / "teacher" / "training.json").read_text()
        console.print(head, target, seed, f"{minutes:.1f} min", json.loads(noted))
        teacher = TeacherGrader(folder / "teacher", pa.table({"pin_id": [], "text": []}))
        answers = teacher.grade_texts(*(parts["test"].column(c).to_pylist() for c in ("query", "text")))
        pq.write_table(pa.table(relevance.to_columns(answers)), done)
    return from_columns(pq.read_table(done))


def report(truth: pa.Table, grades: dict[tuple[Arm, int], np.ndarray], arms: list[Arm], seeds: int) -> None:
    """Print, as Markdown, every arm's figures, those of the others less the first arm's, and of heads taught alike."""
    order = canonical_order(truth)
    named = {f"{arm} {seed}": answers for (arm, seed), answers in grades.items()}
    comparer = Comparer(from_truth(truth.take(pa.array(order))), ordered_grades(named, order), MEASURED)
    comparer.resample(2_000, 0)

    def mean(arm: Arm, metric: str) -> tuple[float, np.ndarray]:
        runs = [f"{arm} {seed}" for seed in range(seeds)]
        drawn = np.mean([comparer.resampled[run][metric] for run in runs], axis=0)
        return float(np.mean([comparer.values[run][metric] for run in runs])), drawn

    header = "| | " + " | ".join(METRICS[m].label for m in MEASURED) + " |\n|---" + "|---" * len(MEASURED) + "|"
    lines = [header]
    for arm in arms:
        cells = [cell(estimate(*mean(arm, m), 0.95)) for m in MEASURED]
        lines.append(f"| {arm[0]}, {arm[1]} | " + " | ".join(cells) + " |")
    lines += ["", header]
    alike = [(a, b) for a in arms for b in arms if a[1] == b[1] and (a[0], b[0]) == ("ordinal", "softmax")]
    for arm, other in dict.fromkeys([*((arm, arms[0]) for arm in arms[1:]), *alike]):
        pairs = [(mean(arm, m), mean(other, m)) for m in MEASURED]
        cells = [cell(estimate(a[0] - b[0], a[1] - b[1], 0.95), "+") for a, b in pairs]
        lines.append(f"| {', '.join(arm)} less {', '.join(other)} | " + " | ".join(cells) + " |")
    for arm in arms:
        by_seed = [comparer.values[f"{arm} {seed}"]["spearman"] for seed in range(seeds)]
        lines.append(f"Spearman of {arm[0]}, {arm[1]} by seed: " + ", ".join(f"{v:.4f}" for v in by_seed))
    print("\n".join(lines))


def cell(found: Estimate, sign: str = "") -> str:
    return f"{found.value:{sign}.4f} ({found.low:{sign}.4f} to {found.high:{sign}.4f})"


if __name__ == "__main__":
    main()
