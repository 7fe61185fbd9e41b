"""Fine-tuning the teacher: our way through the Hugging Face Trainer beside the Trainer as it comes.

    limbeck enrich recipes/homedepot.toml && python benchmarks/fine_tuning.py recipes/homedepot.toml --pairs 6000

The same pairs of whole queries, drawn from the recipe's judged ones, the same backbone and the same epochs. Ours is in
bfloat16 where the processor multiplies in it, the Trainer in what its name says: without such products, float32 is the
faster by far (`--beside`). Every training has a process of its own, so that none gains or loses by what another asks of
the machine, and is repeated with other seeds, in a new order; loading, validating, calibrating and saving count. Then
all answer the held-out pairs: with intervals by bootstrap over queries of the difference to the first Trainer's. On a
machine that is busy with other work, go by processor seconds.
"""

import argparse
import dataclasses
import multiprocessing
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from rich.table import Table
from sentence_transformers import CrossEncoder
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)

from limbeck import assembly
from limbeck.backbone import bf16
from limbeck.measure import evaluate
from limbeck.progress import console
from limbeck.recipe_file import read
from limbeck.relevance import LEVELS, from_columns
from limbeck.settings import Recipe
from limbeck.teacher import train
from limbeck.teacher.grade import TeacherGrader
from limbeck.training import quiet
from limbeck.workspace import Workspace

Parts = dict[str, pa.Table]  # "train", "valid": query, text and p1…p5
Seconds = dict[str, list[tuple[float, float]]]  # of every training: on the clock, and of the processors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--pairs", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--held-out", type=int, help="about so many pairs; all without")
    parser.add_argument("--beside", nargs="+", choices=PEERS, default=PEERS, metavar="TRAINER", help=", ".join(PEERS))
    given = parser.parse_args()
    recipe = read(given.recipe)
    ws = Workspace(given.workspace or Path(f"workspaces/{recipe.name}"))
    parts = {part: some(assembly.judged(ws, part), count) for part, count in (("train", given.pairs), ("valid", 500))}
    with tempfile.TemporaryDirectory() as name:
        seconds = measure(recipe, parts, given.rounds, [*given.beside, OURS], Path(name))
        print_seconds(seconds, parts["train"].num_rows * recipe.teacher.epochs)
        print_quality(recipe, ws, Path(name), list(seconds), given.held_out)


def some(rows: pa.Table, pairs: int) -> pa.Table:
    """Whole queries, the same ones always, of about so many pairs."""
    queries = rows.column("query").unique().to_pylist()
    kept = random.Random(0).sample(queries, min(len(queries), max(1, len(queries) * pairs // rows.num_rows)))
    return rows.filter(pc.is_in(rows.column("query"), pa.array(kept)))


def measure(recipe: Recipe, parts: Parts, rounds: int, names: list[str], folder: Path) -> Seconds:
    """Every training in a process of its own; the model of round n is left in `folder / name-n`."""
    seconds: Seconds = {name: [] for name in names}
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(["transformers", "limbeck.assembly", "limbeck.teacher.train"])  # imported once
    for number in range(rounds):
        for name in random.Random(number).sample(names, len(names)):
            with ProcessPoolExecutor(1, forking) as worker:
                out = folder / f"{name}-{number}"
                seconds[name].append(worker.submit(timed, name, recipe, parts, number, out).result())
            console.print(f"[dim]round {number + 1}, {name}: {seconds[name][-1][0]:.0f} s[/]")
    return seconds


def timed(name: str, recipe: Recipe, parts: Parts, seed: int, out: Path) -> tuple[float, float]:
    begun = time.perf_counter(), time.process_time()
    with quiet():
        TRAININGS[name](recipe, parts, seed, out)
    return time.perf_counter() - begun[0], time.process_time() - begun[1]


def limbeck(recipe: Recipe, parts: Parts, seed: int, out: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        out.mkdir()
        train.train(parts, assembly.located(recipe).teacher, seed, out, Path(scratch))


def trainer(half: bool, sampling: str, recipe: Recipe, parts: Parts, seed: int, out: Path) -> None:
    """The Trainer with batches of 32 and a padding collator, on the most frequent level of each pair."""
    settings = assembly.located(recipe).teacher
    words = AutoTokenizer.from_pretrained(settings.backbone)
    rows = parts["train"]
    texts = [rows.column(name).to_pylist() for name in ("query", "text")]
    data = datasets.Dataset.from_dict(
        {
            **words(*texts, truncation=True, max_length=settings.max_tokens),
            "labels": from_columns(rows).argmax(axis=1).tolist(),
        }
    )
    model = AutoModelForSequenceClassification.from_pretrained(settings.backbone, num_labels=len(LEVELS))
    arguments = TrainingArguments(
        use_cpu=not torch.cuda.is_available(),  # else it refuses bfloat16 on processors
        output_dir=str(out), num_train_epochs=settings.epochs, learning_rate=settings.learning_rate, bf16=half,
        per_device_train_batch_size=32, save_strategy="no", report_to="none", disable_tqdm=True, seed=seed,
        train_sampling_strategy=sampling, warmup_steps=round(settings.warmup * len(rows) * settings.epochs / 32),
    )  # fmt: skip
    made = Trainer(model=model, args=arguments, train_dataset=data, data_collator=DataCollatorWithPadding(words))
    made.train()
    model.save_pretrained(str(out))
    words.save_pretrained(str(out))


OURS = "limbeck"
TRAININGS: dict[str, Callable[[Recipe, Parts, int, Path], None]] = {
    "Trainer, bfloat16": partial(trainer, True, "random"),
    "Trainer, bfloat16, grouped by length": partial(trainer, True, "group_by_length"),
    "Trainer, float32": partial(trainer, False, "random"),
    "Trainer, float32, grouped by length": partial(trainer, False, "group_by_length"),
    OURS: limbeck,
}
PEERS = tuple(name for name in TRAININGS if name != OURS)


def print_seconds(seconds: Seconds, pairs: float) -> None:
    table = Table("", "s", "pairs/s", "ratio", "pairs per processor second", "ratio")
    medians = {name: [statistics.median(kind) for kind in zip(*values)] for name, values in seconds.items()}
    base = medians[next(iter(medians))]
    for name, (wall, own) in medians.items():
        speeds = f"{wall:.0f}", f"{pairs / wall:.1f}", f"{base[0] / wall:.2f}"
        table.add_row(name, *speeds, f"{pairs / own:.1f}", f"{base[1] / own:.2f}")
    console.print(table)


def print_quality(recipe: Recipe, ws: Workspace, folder: Path, names: list[str], count: int | None) -> None:
    """The mean answer of each one's models, and how much better or worse it is than that of the first."""
    truth = assembly.held_out(ws)
    truth = some(truth, count) if count else truth
    texts = dict(zip(*(c.to_pylist() for c in ws.table("composed", ["pin_id", "text"]).columns)))
    pairs = [(q, texts[p]) for q, p in zip(truth.column("query").to_pylist(), truth.column("pin_id").to_pylist())]
    grades = {name: np.mean([answers(path, pairs) for path in folder.glob(f"{name}-*")], axis=0) for name in names}
    compared = dataclasses.replace(recipe.measure, baseline=names[0])
    measured = evaluate.evaluate(grades, truth, compared, recipe.seed)
    console.print(evaluate.summary_table(measured))
    for result in measured.graders:
        for metric, comparison in result.against_baseline.items():
            console.print(f"{result.name} less {names[0]}, {metric}: {comparison}")


def answers(folder: Path, pairs: list[tuple[str, str]]) -> np.ndarray:
    """Five probabilities for each pair (n, 5)."""
    if (folder / "modules.json").exists():
        return TeacherGrader(folder, pa.table({"pin_id": [], "text": []})).grade_texts(*map(list, zip(*pairs)))
    model = CrossEncoder(str(folder), device="cpu")
    return (model.bfloat16() if bf16() else model).predict(pairs, apply_softmax=True, batch_size=64)


if __name__ == "__main__":
    main()
