"""A training that was killed and begun again ends at the weights of one that was left alone, to the last bit."""

import json
import shutil

import killed
import numpy as np
import pytest
import torch
import toy_trainings
import transformers
from longer import longer

from limbeck.student.lessons import Texts
from limbeck.student.model import Head, create_tower
from limbeck.student.shape import Shape
from limbeck.student.train import Distillation

torch.set_num_threads(1)


HASTY = {"contrary": True, "epochs": 4.2}
TRAININGS = {
    "teacher": (toy_trainings.teacher, {}),
    "contrary teacher": (toy_trainings.teacher, {**HASTY, "learning_rate": 1e-2}),
    "contrary softmax teacher": (toy_trainings.teacher, {**HASTY, "learning_rate": 1e-2, "head": "softmax"}),
    "adaptation": (toy_trainings.adaptation, {}),
    "projection": (toy_trainings.student, {"tune": "projection"}),
    "contrary projection": (
        toy_trainings.student,
        {**HASTY, "learning_rate": 5e-2},
    ),
    "all": (toy_trainings.student, {"tune": "all", "tokens_per_batch": 60}),
}
MOMENTS = {  # the nth call of a method of the trainer
    "in the first epoch": ("training_step", 4),
    "in the last epoch": ("training_step", -1),
    "writing the first checkpoint": ("_save_optimizer_and_scheduler", 1),
    "writing the third checkpoint": ("_save_rng_state", 3),
    "after the last step": ("_finalize_training", 1),
    "in the training after it": ("training_step", None),
}
CASES = [
    ("teacher", "in the first epoch"),
    longer("teacher", "in the last epoch"),
    longer("teacher", "writing the first checkpoint"),
    longer("teacher", "writing the third checkpoint"),
    longer("teacher", "after the last step"),
    longer("contrary teacher", "after the last step"),
    longer("contrary softmax teacher", "in the last epoch"),
    longer("adaptation", "in the first epoch"),
    longer("adaptation", "writing the third checkpoint"),
    ("projection", "in the first epoch"),
    longer("projection", "writing the third checkpoint"),
    longer("projection", "after the last step"),
    longer("contrary projection", "in the last epoch"),
    longer("all", "in the last epoch"),
    ("all", "in the training after it"),
]


def train(name, backbone, folder, scratch=None):
    work, settings = TRAININGS[name]
    work(backbone, folder, scratch or folder.with_name("scratch"), **settings)


def weights(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.safetensors"))}


@pytest.fixture(scope="module")
def undisturbed(tiny_encoder, tmp_path_factory):
    """Weights and best step of a training that nobody killed, made when they are first asked for."""
    known = {}

    def of(name):
        if name not in known:
            folder = tmp_path_factory.mktemp("undisturbed")
            train(name, tiny_encoder, folder / "out")
            known[name] = weights(folder / "out"), state(folder / "scratch")
        return known[name]

    return of


def state(scratch):
    """What the trainer wrote down at its last step."""
    newest = max(scratch.glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1]))
    return json.loads((newest / "trainer_state.json").read_text())


def losses(finished):
    """Validation loss by step."""
    return {line["step"]: line["eval_loss"] for line in finished["log_history"] if "eval_loss" in line}


@pytest.mark.parametrize(("name", "moment"), CASES)
def test_a_killed_training_ends_at_the_same_weights(name, moment, undisturbed, tiny_encoder, tmp_path):
    whole, finished = undisturbed(name)
    method, call = MOMENTS[moment]
    call = finished["max_steps"] + 6 if call is None else call % (finished["max_steps"] + 1)
    killed.at(transformers.Trainer, method, call, train, name, tiny_encoder, tmp_path / "out")
    assert list((tmp_path / "scratch").glob("checkpoint-*"))
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    train(name, tiny_encoder, tmp_path / "out")
    assert weights(tmp_path / "out") == whole
    assert losses(state(tmp_path / "scratch")) == losses(finished)


@pytest.mark.parametrize(
    "name", [longer("contrary teacher"), longer("contrary ordinal teacher"), "contrary projection"]
)
def test_the_best_checkpoint_counts_and_not_the_last(name, undisturbed):
    _, finished = undisturbed(name)
    assert finished["best_global_step"] == min(losses(finished), key=losses(finished).get) < finished["max_steps"]


@pytest.mark.long
def test_a_killed_training_may_be_moved(undisturbed, tiny_encoder, tmp_path):
    name = "contrary projection"
    killed.at(transformers.Trainer, "_finalize_training", 1, train, name, tiny_encoder, tmp_path / "here" / "out")
    (tmp_path / "here").rename(tmp_path / "there")
    (tmp_path / "there" / "out").rmdir()
    train(name, tiny_encoder, tmp_path / "there" / "out")
    assert weights(tmp_path / "there" / "out") == undisturbed(name)[0]


@pytest.mark.parametrize("name", [longer("teacher"), "projection", longer("all")])
def test_another_seed_gives_other_weights(name, undisturbed, tiny_encoder, tmp_path):
    """And the same one the same: a killed training, begun again, would not end there otherwise."""
    work, settings = TRAININGS[name]
    work(tiny_encoder, tmp_path / "other", tmp_path / "scratch of other", seed=6, **settings)
    assert weights(tmp_path / "other") != undisturbed(name)[0]


def test_a_student_is_the_same_on_several_cores(tiny_encoder, tmp_path):
    """Where thousands of rows share a Pin, the sum of their gradients must not depend on which thread is first."""
    side = Texts([""] * 8, np.random.default_rng(0).standard_normal((8, 32)).astype(np.float32))
    settings = toy_trainings.student_settings(tiny_encoder, vector_size=128)
    model = Distillation(create_tower(settings, 0), Head(Shape(128, 32, (), (32,))), side, side)
    rows = torch.randint(8, (4096, 2), generator=torch.Generator().manual_seed(0))
    target = torch.full((4096, 5), 0.2)
    gradients = set()
    torch.set_num_threads(2)
    for _ in range(10):
        model.zero_grad()
        model(rows, torch.zeros(4096, 0), target, torch.ones(4096))["loss"].backward()
        gradients.add(model.tower[2].linear.weight.grad.numpy().tobytes())
    torch.set_num_threads(1)
    assert len(gradients) == 1
