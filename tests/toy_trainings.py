"""Trainings of tiny models on the toy task, as tests and the processes they kill run them."""

from pathlib import Path

import torch
from toy_task import SENTENCES, WordMatch, judged, pins

from limbeck import settings, training
from limbeck.student import train as student_training
from limbeck.student.encode import Encoder
from limbeck.student.lessons import Lessons
from limbeck.student.vectors import Vectors
from limbeck.teacher import adapt
from limbeck.teacher import train as teacher_training

training.SHORT = 0  # few as their steps are, they are saved and validated as often as a long training is
TEACHER = {"max_tokens": 32, "epochs": 2.2, "tokens_per_batch": 300, "learning_rate": 5e-3}
ADAPTATION = {"max_tokens": 32, "epochs": 3.2, "tokens_per_batch": 150, "learning_rate": 5e-3}
STUDENT = {
    "max_tokens": 32,
    "epochs": 2.2,
    "batch_size": 16,
    "tower_epochs": 2.2,
    "tokens_per_batch": 400,
    "vector_size": 16,
    "hidden": (32,),
    "learning_rate": 1e-2,
    "tower_learning_rate": 1e-3,
}


def teacher(
    backbone: Path,
    out: Path,
    scratch: Path,
    contrary: bool = False,
    seed: int = 5,
    logging: settings.Tracking = teacher_training.NO_TRACKING,
    **changes: object,
) -> None:
    """Train one; `contrary`: validate on raters of the opposite mind, so that an early checkpoint is the best."""
    torch.set_num_threads(1)
    scratch.mkdir(parents=True, exist_ok=True)
    tables = {"train": judged("train"), "valid": judged("valid", contrary)}
    chosen = settings.Teacher(**{"backbone": str(backbone), **TEACHER, **changes})
    teacher_training.train(tables, chosen, seed, out, scratch, logging)


def adaptation(backbone: Path, out: Path, scratch: Path, seed: int = 5, **changes: object) -> None:
    """Adapt a backbone to the toy sentences."""
    torch.set_num_threads(1)
    scratch.mkdir(parents=True, exist_ok=True)
    out.mkdir()
    chosen = settings.Adapt(**{**ADAPTATION, **changes})
    adapt.adapt(SENTENCES, str(backbone), chosen, seed, out, scratch)


def student_settings(backbone: Path, **changes: object) -> settings.Student:
    """A small student on the backbone."""
    return settings.Student(**{"backbone": str(backbone), **STUDENT, **changes})


def lessons(chosen: settings.Student) -> Lessons:
    """The toy task laid out for a student."""
    tables = [judged("train"), judged("valid")]
    untuned = Encoder.untuned(chosen)
    return Lessons(tables, pins(), WordMatch(), untuned.read, Vectors.of_texts(pins(), untuned))


def student(backbone: Path, out: Path, scratch: Path, contrary: bool = False, seed: int = 5, **changes: object) -> None:
    """Train a student; `contrary` as for the teacher."""
    torch.set_num_threads(1)
    scratch.mkdir(parents=True, exist_ok=True)
    chosen = student_settings(backbone, **changes)
    taught = lessons(chosen)
    parts = {"train": taught.examples(judged("train")), "valid": taught.examples(judged("valid", contrary))}
    out.mkdir()
    student_training.train(parts, taught, chosen, seed, out, scratch)
