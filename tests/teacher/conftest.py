"""Tiny teachers: fresh ones on several backbones, and one that has learnt the toy task."""

import pytest
import torch
import toy_trainings
from longer import longer
from tiny_models import write_decoder
from toy_task import SENTENCES

from limbeck.inference import reader
from limbeck.settings import Teacher
from limbeck.teacher import model

torch.set_num_threads(1)
KINDS = {  # name → (backbone, pooling)
    "first token": ("encoder", "cls"),
    "mean": ("encoder", "mean"),
    "last token": ("encoder", "lasttoken"),
    "decoder padding left": ("llama left", "lasttoken"),
    "decoder padding right": ("llama right", "lasttoken"),
    "decoder with absolute positions": ("gpt2 left", "lasttoken"),
}
ALIKE = ("mean", "last token", "decoder padding right")  # what differs in them is in the others too


@pytest.fixture(scope="session")
def backbones(tiny_encoder, tmp_path_factory):
    """Folders of tiny backbones by name."""
    folders = {"encoder": tiny_encoder}
    for name in ("llama left", "llama right", "gpt2 left"):
        folders[name] = tmp_path_factory.mktemp("backbones") / name.replace(" ", "-")
        write_decoder(folders[name], SENTENCES, *name.split())
    return folders


@pytest.fixture(scope="session", params=[longer(kind) if kind in ALIKE else kind for kind in KINDS])
def fresh(request, backbones, tmp_path_factory):
    """The folder of an untrained teacher of each kind, which reads 32 tokens."""
    backbone, pooling = KINDS[request.param]
    folder = tmp_path_factory.mktemp("fresh") / "teacher"
    settings = Teacher(backbone=str(backbones[backbone]), pooling=pooling, max_tokens=32)
    model.save(model.create(settings, seed=3), folder)
    return folder


@pytest.fixture(scope="session")
def learned(tiny_encoder, tmp_path_factory):
    """The folder of a teacher that has learnt the toy task."""
    folder = tmp_path_factory.mktemp("learned")
    toy_trainings.teacher(tiny_encoder, folder / "teacher", folder / "scratch", epochs=10, dropout=0.0)
    return folder / "teacher"


@pytest.fixture
def single_precision(monkeypatch):
    """Grade in float32 on machines that are faster in bfloat16, too."""
    monkeypatch.setattr(reader, "bf16", lambda: False)


@pytest.fixture
def half_precision(monkeypatch):
    """Grade in bfloat16 on machines that are faster in float32, too."""
    monkeypatch.setattr(reader, "bf16", lambda: True)
