"""Our teacher beside sentence-transformers' own CrossEncoderTrainer with default settings: same backbone, epochs, rows.

    python benchmarks/teacher_vs_sentence_transformers.py recipes/homedepot.toml --out build/peer

Needs a finished run of the recipe. Trains the peer (minutes to an hour on two cores), or loads it from --out if it is
there, grades the held-out pairs with it and prints it beside the run's own graders, with intervals.
"""

import argparse
import time
from pathlib import Path

import datasets
import numpy as np
from sentence_transformers import CrossEncoder
from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
from sentence_transformers.cross_encoder.losses import CrossEntropyLoss

from limbeck import assembly, backbone, lineup
from limbeck.measure import evaluate
from limbeck.progress import console
from limbeck.recipe_file import read
from limbeck.relevance import LEVELS, from_columns
from limbeck.settings import Recipe
from limbeck.workspace import Workspace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--workspace", type=Path)
    parser.add_argument("--out", type=Path, default=Path("build/peer"))
    given = parser.parse_args()
    recipe = read(given.recipe)
    ws = Workspace(given.workspace or Path(f"workspaces/{recipe.name}"))
    if not (given.out / "config.json").exists():
        train(recipe, ws, given.out)
    truth = assembly.held_out(ws)
    texts = dict(zip(*(c.to_pylist() for c in ws.table("composed", ["pin_id", "text"]).columns)))
    pairs = [(q, texts[p]) for q, p in zip(truth.column("query").to_pylist(), truth.column("pin_id").to_pylist())]
    peer = CrossEncoder(str(given.out), device="cpu").predict(pairs, apply_softmax=True, batch_size=64)
    grades = {**lineup.grades(ws), "CrossEncoderTrainer": peer.astype(np.float32)}
    console.print(evaluate.summary_table(evaluate.evaluate(grades, truth, recipe.measure, recipe.seed)))


def train(recipe: Recipe, ws: Workspace, out: Path) -> None:
    rows = assembly.judged(ws, "train")
    level = from_columns(rows).argmax(axis=1)
    model = CrossEncoder(backbone.find(recipe.teacher.backbone, recipe.folder), num_labels=len(LEVELS), device="cpu")
    columns = {"query": rows.column("query").to_pylist(), "text": rows.column("text").to_pylist()}
    data = datasets.Dataset.from_dict({**columns, "label": level.tolist()})
    arguments = CrossEncoderTrainingArguments(
        output_dir=str(out) + ".trainer", num_train_epochs=recipe.teacher.epochs, save_strategy="no", report_to="none"
    )
    begun = time.perf_counter()
    CrossEncoderTrainer(model=model, args=arguments, train_dataset=data, loss=CrossEntropyLoss(model)).train()
    seconds = time.perf_counter() - begun
    console.print(f"trained on {rows.num_rows:,} pairs in {seconds:,.0f} s")
    model.save_pretrained(str(out))


if __name__ == "__main__":
    main()
