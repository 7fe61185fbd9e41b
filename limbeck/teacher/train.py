"""Fine-tuning the teacher on human levels, by the trainer of sentence-transformers with token-budget batches."""

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
from torch import nn
from torch.utils.data import DataLoader

from limbeck import processes, tracking, training
from limbeck.batches import TokenBudgetSampler, lengths_of
from limbeck.errors import InputError
from limbeck.progress import say
from limbeck.relevance import from_columns
from limbeck.settings import Teacher, Tracking
from limbeck.teacher import adapters, heads, temperature
from limbeck.teacher.grade import TeacherGrader
from limbeck.teacher.model import create, save

NO_TRACKING = Tracking()
LEARNT = (
    0.98  # of the loss of one who says the same of every pair: a teacher that stays above has learnt next to nothing
)


def train(
    judged: dict[str, pa.Table],
    settings: Teacher,
    seed: int,
    out: Path,
    scratch: Path,
    logging: Tracking = NO_TRACKING,
) -> None:
    """Train on `judged["train"]`, keep the checkpoint best on `judged["valid"]`, calibrate on it, save to `out`.

    The tables have columns query, text (the composed Pin) and p1…p5 (the raters' distribution). Of several processes,
    each takes other batches, and the first one saves.
    """
    for part, rows in judged.items():
        if not rows.num_rows:
            raise InputError(f"no judged pairs to {part} on", remedy="Label more queries: the split is by query")
    model = create(settings, seed)
    if isinstance(model[-1], heads.CumulativeLink):
        model[-1].begin(_target(judged["train"], settings).mean(axis=0))
    data = {part: _dataset(rows, settings) for part, rows in judged.items()}
    sampler = functools.partial(_sampler, model=model, settings=settings, run_seed=seed)
    steps = max(1, round(len(sampler(data["train"])) / processes.count() * settings.epochs))
    arguments = CrossEncoderTrainingArguments(
        **{**training.arguments(scratch, steps, seed), **tracking.arguments(logging)},
        learning_rate=settings.learning_rate,
        learning_rate_mapping=heads.learning_rates(model, settings.learning_rate),
        warmup_steps=round(steps * settings.warmup),
        batch_sampler=sampler,
        activation_checkpointing=settings.gradient_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False},  # the other kind loses frozen inputs' gradient
    )
    trainer = (AdapterTrainer if settings.lora else Trainer)(
        model=model,
        args=arguments,
        train_dataset=data["train"],
        eval_dataset=data["valid"],
        loss=DistributionLoss(model),
    )
    training.run(trainer, "teacher", scratch)
    if processes.leads():
        if settings.lora:
            adapters.merge(model)
        training.forget_lengths(model.tokenizer)
        save(model, out)
        _calibrate(out, judged, {"steps": steps, "best_step": trainer.state.best_global_step})


class Trainer(CrossEncoderTrainer):
    """The trainer of sentence-transformers; of several processes, each measures the whole validation loss."""

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader:
        """Not shared: batches of unequal size cannot be gathered."""
        if processes.count() == 1:
            return super().get_eval_dataloader(eval_dataset)
        return self._build_dataloader(self.eval_dataset, self.args.eval_batch_size, dataset_kind="eval")


class AdapterTrainer(adapters.SavesTrainedAlone, Trainer):
    """The same, of adapters and head."""


class DistributionLoss(nn.Module):
    """Cross-entropy between the raters' distribution over the five levels and the softmax of the logits."""

    def __init__(self, model: CrossEncoder) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: list[list[str]], labels: Sequence[torch.Tensor], **_: Any) -> torch.Tensor:
        """`inputs`: queries and texts; `labels`: one distribution (5,) per pair."""
        features = self.model.preprocess(list(zip(*inputs)))
        features = {k: v.to(self.model.device) if isinstance(v, torch.Tensor) else v for k, v in features.items()}
        logits = self.model(features)["scores"].float()
        return nn.functional.cross_entropy(logits, torch.stack(list(labels)).to(logits))


def _target(rows: pa.Table, settings: Teacher) -> np.ndarray:
    """What is learnt, (n, 5); with hard labels, all of a pair's weight on its most frequent level."""
    target = from_columns(rows)
    if settings.raters_distribution:
        return target
    return np.eye(target.shape[1], dtype=np.float32)[target.argmax(axis=1)]


def _dataset(rows: pa.Table, settings: Teacher) -> datasets.Dataset:
    """The trainer's own form."""
    columns = {"query": rows.column("query").to_pylist(), "text": rows.column("text").to_pylist()}
    return datasets.Dataset.from_dict({**columns, "label": _target(rows, settings).tolist()})


def _calibrate(folder: Path, judged: dict[str, pa.Table], notes: dict[str, Any]) -> None:
    """Fit the temperature on the validation pairs, as they are graded in bulk; note in `training.json` what it did."""
    valid = judged["valid"]
    grader = TeacherGrader(folder, pa.table({"pin_id": [], "text": []}))
    graded = grader.grade_texts(valid.column("query").to_pylist(), valid.column("text").to_pylist())
    chosen = temperature.fit(graded, from_columns(valid))
    temperature.apply(folder, chosen)
    same = np.broadcast_to(from_columns(judged["train"]).mean(axis=0), graded.shape)
    losses = {
        name: temperature.cross_entropy(answers, from_columns(valid), t)
        for name, answers, t in (("before", graded, 1), ("after", graded, chosen), ("shares alone", same, 1))
    }
    if losses["after"] > LEARNT * losses["shares alone"]:
        _warn(losses)
    noted = {**notes, "validation_pairs": valid.num_rows, "temperature": chosen, "validation_loss": losses}
    (folder / "training.json").write_text(json.dumps(noted, indent=1), encoding="utf-8")


def _warn(losses: dict[str, float]) -> None:
    """Say that the teacher is of no use: the run goes on, as text match and signals may still make a student."""
    say(
        "warning",
        f"  [yellow]the teacher has learnt next to nothing[/]: its validation loss is {losses['after']:.3f}, and "
        f"{losses['shares alone']:.3f} of one who says the same of every pair. Give it more epochs, smaller batches "
        "(teacher.tokens_per_batch), or another learning_rate",
        what="the teacher has learnt next to nothing",
        **losses,
    )


def _sampler(
    dataset: datasets.Dataset, *, model: CrossEncoder, settings: Teacher, run_seed: int, **_: Any
) -> TokenBudgetSampler:
    lengths = lengths_of(model.tokenizer, dataset["query"][:], dataset["text"][:], limit=settings.max_tokens)
    return TokenBudgetSampler(lengths, settings.tokens_per_batch, run_seed, processes.count())
