"""Tiny students that have learnt the toy task: one with its backbone as it came, one with all of it trained."""

import pytest
import torch
import toy_trainings
from toy_task import WordMatch, judged, pins

from limbeck import backbone
from limbeck.inference import reader
from limbeck.student.encode import Encoder
from limbeck.student.lessons import Lessons
from limbeck.student.vectors import Vectors

torch.set_num_threads(1)
TUNED = {
    "projection": {"epochs": 15},
    "all": {"epochs": 15, "tower_epochs": 8, "tower_learning_rate": 2e-3},  # fewer teach it nothing with some seeds
}


@pytest.fixture(scope="session")
def settings(tiny_encoder):
    """Settings of a tiny student."""
    return toy_trainings.student_settings(tiny_encoder)


@pytest.fixture(scope="session")
def untuned(settings):
    """Reads with the backbone as it came."""
    return Encoder.untuned(settings)


@pytest.fixture(scope="session")
def base(untuned):
    """Vectors of all Pins by the backbone as it came."""
    return Vectors.of_texts(pins(), untuned)


@pytest.fixture(scope="session")
def laid_out(untuned, base):
    """The toy task, with untuned vectors."""
    return Lessons([judged("train"), judged("valid")], pins(), WordMatch(), untuned.read, base)


@pytest.fixture(scope="session")
def students(tiny_encoder, tmp_path_factory):
    """The folder of a trained student by what was tuned, trained when it is first asked for."""
    known = {}

    def of(tune):
        if tune not in known:
            folder = tmp_path_factory.mktemp("student")
            changes = {"tune": tune, **TUNED[tune]}
            with pytest.MonkeyPatch.context() as patch:  # the same student, whatever the first test to ask reads in
                patch.setattr(reader, "bf16", backbone.bf16)
                toy_trainings.student(tiny_encoder, folder / "student", folder / "scratch", **changes)
            known[tune] = folder / "student"
        return known[tune]

    return of


@pytest.fixture(scope="session")
def vectors(students):
    """Vectors of all Pins by the student whose backbone stayed as it came."""
    return Vectors.of_texts(pins(), Encoder.of_student(students("projection")))


@pytest.fixture
def single_precision(monkeypatch):
    """Embed in float32 on machines that are faster in bfloat16, too."""
    monkeypatch.setattr(reader, "bf16", lambda: False)
