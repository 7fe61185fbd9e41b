"""The student for whoever has no PyTorch: a folder with tower and head as ONNX, the tokenizer, and how it is used.

    tower.onnx        input_ids, attention_mask and, where the backbone has them, token_type_ids (texts, tokens) ─► base
    projection.onnx   base (n, backbone size), what the pooling gives ─► vector (n, d)
    head.onnx         query (n, d), pin (n, d), features (n, f) ─► logits (n, 5)

The service reads with the first two (`served.py`); the head it computes itself, arranged for many Pins (`scoring.py`).
"""

import json
import logging
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from torch import nn

from limbeck.errors import InputError
from limbeck.student.model import TOWER, Head, load_tower
from limbeck.student.served import HEAD, PROJECTION, READING, TOKENIZER, ServedTower
from limbeck.student.served import TOWER as TOWER_FILE

PROBES = ("red lamp", "", " a tall  green glass vase ", 'Ünïcode 沙发 ☕ (cosy) 5-1/2" [SEP] </s>', "long " * 600)
TOLERANCE = 1e-3  # of the length of what was read: single precision, summed in another order, differs by far less


class _Reading(nn.Module):
    """Transformer and pooling."""

    def __init__(self, tower: SentenceTransformer) -> None:
        super().__init__()
        self.model, self.pooling = tower[0].model, tower[1]

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None
    ) -> torch.Tensor:
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        states = self.model(input_ids=input_ids, attention_mask=attention_mask, **types).last_hidden_state
        return self.pooling({"token_embeddings": states, "attention_mask": attention_mask})["sentence_embedding"]


class _Projection(nn.Module):
    """What follows the pooling."""

    def __init__(self, tower: SentenceTransformer) -> None:
        super().__init__()
        self.after = nn.ModuleList(list(tower)[2:])

    def forward(self, base: torch.Tensor) -> torch.Tensor:
        features = {"sentence_embedding": base}
        for module in self.after:
            features = module(features)
        return features["sentence_embedding"]


def export(student: Path, out: Path) -> None:
    """Write the student of a folder, whole, into `out`; `InputError` where its backbone cannot be exported."""
    read(student, out)
    head = Head.load(student)
    size, width = head.shape.vector_size, len(head.shape.features)
    given = {"query": torch.zeros(2, size), "pin": torch.zeros(2, size), "features": torch.zeros(2, width)}
    _write(head, given, "logits", out / HEAD)


def read(student: Path, out: Path) -> None:
    """Write only what reads texts; it was then compared with the tower in PyTorch on a few hostile ones."""
    out.mkdir(parents=True, exist_ok=True)
    tower = load_tower(student).to("cpu")
    tower[0].model.set_attn_implementation("eager")  # what every runtime knows
    tokens = tower.preprocess(["red lamp", "a tall green vase"])
    given = {name: tokens[name] for name in ("input_ids", "attention_mask", "token_type_ids") if name in tokens}
    _write(_Reading(tower), given, "base", out / TOWER_FILE)
    if len(tower) > 2:
        base = torch.zeros(2, tower[1].get_embedding_dimension())
        _write(_Projection(tower), {"base": base}, "vector", out / PROJECTION)
    shutil.copyfile(student / TOWER / TOKENIZER, out / TOKENIZER)
    tokenizer = tower.tokenizer
    reading = {
        "inputs": list(given),
        "max_tokens": tower.max_seq_length,
        "padding": tokenizer.pad_token_id or 0,
        "special_tokens_are_text": bool(tokenizer.split_special_tokens),
    }
    (out / READING).write_text(json.dumps(reading, indent=1), encoding="utf-8")
    _compare(tower, ServedTower(out))


def _write(model: nn.Module, given: Mapping[str, torch.Tensor], gives: str, path: Path) -> None:
    """Whole numbers have any count of rows and of columns, the others any of rows."""
    axes = {name: range(1 if rows.is_floating_point() else 2) for name, rows in given.items()}
    with _quiet():
        try:
            torch.onnx.export(
                model.eval(),
                tuple(given.values()),
                str(path),
                input_names=list(given),
                output_names=[gives],
                dynamic_shapes={name: dict.fromkeys(of, torch.export.Dim.DYNAMIC) for name, of in axes.items()},
                verbose=False,
            )
        except Exception as error:  # of whatever kind: each backbone fails in its own way
            reason = "".join(str(error).strip().splitlines()[:1])
            remedy = "Take a backbone of another family for the student"
            raise InputError(f"this backbone cannot be written as ONNX: {reason}", remedy=remedy) from error


def _compare(tower: SentenceTransformer, served: ServedTower) -> None:
    """Whether both read the same: whatever a tokenizer does to a text must be the same here and there."""
    with torch.inference_mode():
        features = tower.preprocess(list(PROBES))
        for module in list(tower)[:2]:
            features = module(features)
    expected = features["sentence_embedding"].numpy()
    apart = np.linalg.norm(served.read(PROBES) - expected, axis=1) / np.linalg.norm(expected, axis=1)
    if not (apart < TOLERANCE).all():
        worst = PROBES[int(np.nanargmax(apart))][:40]
        raise InputError(f"ONNX Runtime reads {worst!r} otherwise than PyTorch", remedy="Take another backbone")


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter tells at length what it does."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before):
                logger.setLevel(level)
