"""Distillation: the student learns the teacher's five probabilities (soft cross-entropy), by the Hugging Face Trainer.

With `tune = "projection"` the backbone stays as it is, every text goes through it once, and only the projection and the
head are trained. With `tune = "all"` everything is trained after that, in batches of equal token budget that hold all
of a Pin's rows together: from a head that knows nothing yet, the backbone would first be led astray (linear probing,
then fine-tuning: Kumar et al., ICLR 2022).
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from sentence_transformers import SentenceTransformer
from torch import nn
from torch.utils.data import DataLoader, Dataset

from limbeck import training
from limbeck.batches import TokenBudgetSampler, lengths_of
from limbeck.errors import InputError
from limbeck.settings import Student
from limbeck.student.lessons import Examples, Lessons, Texts
from limbeck.student.model import Head, create_tower, save
from limbeck.student.shape import Shape

VALIDATED = 4_096  # pairs, where each validation reads their texts


class Distillation(nn.Module):
    """Tower and head together, as the trainer sees them: batches of row numbers in, a loss out.

    Unless it `reads`, what the backbone as it comes made of the texts is taken for them. In training, each row's Pin,
    query and pair are each unknown to the signals with probability `dropout`, so that what is new at serving time has
    been met before.
    """

    def __init__(
        self,
        tower: SentenceTransformer,
        head: Head,
        queries: Texts,
        pins: Texts,
        dropout: float = 0.0,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        self.tower, self.head, self._dropout, self._temperature = tower, head, dropout, temperature
        self.queries, self.pins, self.reads = queries, pins, False

    def forward(
        self, rows: torch.Tensor, features: torch.Tensor, target: torch.Tensor, weight: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """`rows` (n, 2): numbers of query and Pin text; returns the weighted soft cross-entropy as `loss`."""
        query, pin = self._embed(self.queries, rows[:, 0]), self._embed(self.pins, rows[:, 1])
        if self.training and self._dropout and self.head.shape.groups:
            features = forget(features, self.head, torch.rand(len(features), 3).to(features.device) < self._dropout)
        losses = soft_cross_entropy(self.head(query, pin, features).float(), target, self._temperature)
        return {"loss": (weight * losses).mean()}

    def _embed(self, side: Texts, rows: torch.Tensor) -> torch.Tensor:
        """Vectors (n, d) of texts by number; each distinct text of the batch goes through the tower once."""
        distinct, inverse = torch.unique(rows, return_inverse=True)
        numbers = distinct.cpu().numpy()
        if self.reads:
            features: dict[str, Any] = self.tower.preprocess([side.texts[i] for i in numbers])
            features = {k: v.to(rows.device) if isinstance(v, torch.Tensor) else v for k, v in features.items()}
            modules = list(self.tower)
        else:
            features = {"sentence_embedding": torch.from_numpy(side.base[numbers]).to(rows.device)}
            modules = list(self.tower)[2:]
        for module in modules:
            features = module(features)
        # Not by indexing: on several cores its gradient is summed in whatever order the threads come.
        return nn.functional.embedding(inverse, features["sentence_embedding"])


def soft_cross_entropy(logits: torch.Tensor, target: torch.Tensor, temperature: float) -> torch.Tensor:
    """Of each row (n,): both sides at a temperature, times its square, as gradients shrink by that (Hinton 2015)."""
    if temperature == 1:
        return nn.functional.cross_entropy(logits, target, reduction="none")
    softened = (target ** (1 / temperature)) / (target ** (1 / temperature)).sum(dim=1, keepdim=True)
    return nn.functional.cross_entropy(logits / temperature, softened, reduction="none") * temperature**2


def forget(features: torch.Tensor, head: Head, unknown: torch.Tensor) -> torch.Tensor:
    """The features with NaN for the signals of the rows whose Pin, query or pair is `unknown` (n, 3)."""
    pin, query, pair = unknown.unbind(dim=1)
    hidden = {"pin": pin, "query": query, "pair": pin | query | pair}
    mask = torch.zeros_like(features, dtype=torch.bool)
    for group, begin, end in head.shape.spans:
        mask[:, begin:end] = hidden[group.of][:, None]
    return features.masked_fill(mask, torch.nan)


class _Numbers(Dataset[int]):
    """Numbers of rows or of Pins: the collator gathers whole batches at once."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> int:
        return number


def train(parts: dict[str, Examples], lessons: Lessons, settings: Student, seed: int, out: Path, scratch: Path) -> None:
    """Train on `parts["train"]` of the lessons, keep the checkpoint best on `parts["valid"]`, save to `out`."""
    for part, rows in parts.items():
        if not len(rows):
            raise InputError(f"no labelled pairs to {part} on", remedy="Label more queries: the split is by query")
    tower = create_tower(settings, seed)
    head = Head(Shape.of(settings, lessons.feature_names, lessons.groups))
    head.standardise(parts["train"].features, lessons.left_out)
    told = lessons.queries, lessons.pins
    model = Distillation(tower, head, *told, settings.signal_dropout, settings.temperature)
    model.to(tower.device)
    if settings.tune == "projection":
        _fit(model, parts, settings, seed, scratch)
    else:
        _fit_all(model, {**parts, "valid": parts["valid"].some(VALIDATED, seed)}, settings, seed, scratch)
    save(tower, head, out)


def _fit_all(model: Distillation, parts: dict[str, Examples], settings: Student, seed: int, scratch: Path) -> None:
    """Projection and head, then everything; where that makes it no better, the backbone stays as it comes."""
    probed = _fit(model, parts, settings, seed, scratch)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    model.reads = True
    tuned = _fit(model, parts, settings, seed, scratch / "tuned")
    if not tuned <= probed:  # nor where it is no number any more
        model.load_state_dict(before)


def _fit(model: Distillation, parts: dict[str, Examples], settings: Student, seed: int, scratch: Path) -> float:
    """Train what a model that `reads`, or does not, has to be trained; its loss on `parts["valid"]`."""
    model.tower[0].requires_grad_(model.reads)
    loaders = {part: _loader(rows, model, settings, seed) for part, rows in parts.items()}
    steps = max(1, round(len(loaders["train"]) * (settings.tower_epochs if model.reads else settings.epochs)))
    arguments = transformers.TrainingArguments(
        **training.arguments(scratch, steps, seed),
        learning_rate=settings.learning_rate,
        warmup_steps=round(steps * 0.05),
        lr_scheduler_type="cosine",
        remove_unused_columns=False,
        label_names=["target"],
        prediction_loss_only=True,
    )
    adam = _optimizer(model, settings)
    trainer = training.LoadedTrainer(loaders, model=model, args=arguments, optimizers=(adam, None))
    training.run(trainer, "student, with its tower" if model.reads else "student", scratch)
    return float(trainer.state.best_metric)


def _loader(rows: Examples, model: Distillation, settings: Student, seed: int) -> DataLoader[int]:
    """Batches of rows; where text goes through the backbone, of whole Pins: each is read once for all its rows."""
    weight = rows.weight / rows.weight.mean()  # of a mean of one: the rate of learning stays what it is
    together = _rows_of_pins(rows) if model.reads else None

    def collate(numbers: list[int]) -> dict[str, torch.Tensor]:
        # As they lie on the disk, if they do.
        chosen = np.sort(numbers if together is None else np.concatenate([together[n] for n in numbers]))
        both = np.stack([rows.query[chosen], rows.pin[chosen]], axis=1)
        arrays = {"rows": both, "features": rows.features[chosen], "target": rows.target[chosen]}
        arrays["weight"] = weight[chosen]
        return {k: torch.from_numpy(v) for k, v in arrays.items()}

    if together is None:
        lengths, budget = np.ones(len(rows), dtype=np.int64), settings.batch_size
    else:
        lengths, budget = _tokens(rows, together, model, settings), settings.tokens_per_batch
    return DataLoader(
        _Numbers(len(lengths)), batch_sampler=TokenBudgetSampler(lengths, budget, seed), collate_fn=collate
    )


def _rows_of_pins(rows: Examples) -> list[np.ndarray]:
    """The numbers of the rows of each Pin that has any."""
    order = np.argsort(rows.pin, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(rows.pin[order])) + 1)


def _tokens(rows: Examples, together: list[np.ndarray], model: Distillation, settings: Student) -> np.ndarray:
    """How many tokens each Pin and all its queries have, int64 (Pins,)."""
    tokenizer, limit = model.tower.tokenizer, settings.max_tokens
    query, pin = (lengths_of(tokenizer, side.texts, limit=limit) for side in (model.queries, model.pins))
    return np.asarray([pin[rows.pin[of[0]]] + query[rows.query[of]].sum() for of in together], dtype=np.int64)


def _optimizer(model: Distillation, settings: Student) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay; where the pretrained backbone learns, all learns as slowly as it."""
    rate = settings.tower_learning_rate if model.reads else settings.learning_rate
    return torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate, weight_decay=0.01)
