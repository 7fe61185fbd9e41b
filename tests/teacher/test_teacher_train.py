"""The teacher learns from human levels, and says what is missing."""

import json
import shutil

import numpy as np
import pytest
import torch
import toy_trainings
from toy_task import judged, pins

from limbeck import progress, training
from limbeck.errors import InputError
from limbeck.relevance import from_columns
from limbeck.settings import Teacher
from limbeck.teacher import train
from limbeck.teacher.grade import TeacherGrader
from limbeck.teacher.model import create, load, save


def loss(folder, rows):
    """Cross-entropy of the raters' distribution and the teacher's."""
    return float(-(from_columns(rows) * np.log(TeacherGrader(folder, pins()).grade(rows))).sum(axis=1).mean())


def test_training_lowers_the_loss_on_other_queries(learned, tiny_encoder, tmp_path):
    save(create(Teacher(backbone=str(tiny_encoder), max_tokens=32), seed=5), tmp_path / "untrained")
    valid = from_columns(judged("valid"))
    share = from_columns(judged("train")).mean(axis=0)
    guess = -(valid * np.log(np.maximum(share, 1e-9))).sum(axis=1).mean()  # the best without looking at the Pin
    assert loss(learned, judged("valid")) < 0.7 * guess < guess < loss(tmp_path / "untrained", judged("valid"))


@pytest.mark.parametrize("head", ["softmax", "ordinal"])
def test_mixed_precision_learns_as_well_and_saves_single_precision(head, tiny_encoder, tmp_path, monkeypatch):
    """As on processors that multiply in bfloat16; elsewhere it is slow, and the same."""
    monkeypatch.setattr(training, "bf16", lambda: True)
    toy_trainings.teacher(tiny_encoder, tmp_path / "out", tmp_path / "scratch", epochs=8, dropout=0.0, head=head)
    valid = from_columns(judged("valid"))
    same = np.broadcast_to(from_columns(judged("train")).mean(axis=0), valid.shape)
    assert loss(tmp_path / "out", judged("valid")) < -(valid * np.log(np.maximum(same, 1e-9))).sum(axis=1).mean()
    assert {p.dtype for p in load(tmp_path / "out").parameters()} == {torch.float32}


@pytest.fixture
def warnings(capsys):
    """What has been warned of until now."""

    def said():
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
        return [e["what"] for e in events if e["event"] == "warning"]

    progress.choose("json")
    yield said
    progress.choose("quiet")


def test_a_teacher_that_has_learnt_nothing_is_told(warnings, tiny_encoder, tmp_path):
    toy_trainings.teacher(tiny_encoder, tmp_path / "out", tmp_path / "scratch", epochs=1, learning_rate=0.0)
    assert warnings() == ["the teacher has learnt next to nothing"]


def test_of_one_that_has_learnt_something_nothing_is_said(warnings, learned, tmp_path):
    train._calibrate(shutil.copytree(learned, tmp_path / "out"), {p: judged(p) for p in ("train", "valid")}, {})
    assert warnings() == []


def test_only_safetensors_and_plain_text_are_saved(learned):
    assert {p.suffix for p in learned.rglob("*") if p.is_file()} == {".safetensors", ".json"}


@pytest.mark.parametrize("part", ["train", "valid"])
def test_no_judged_pairs(part, tiny_encoder, tmp_path):
    tables = {"train": judged("train"), "valid": judged("valid")}
    tables[part] = tables[part].slice(0, 0)
    settings = Teacher(backbone=str(tiny_encoder), max_tokens=32)
    with pytest.raises(InputError, match=f"no judged pairs to {part} on"):
        train.train(tables, settings, 0, tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()


def test_the_loss_is_cross_entropy_with_the_raters_distribution(tiny_encoder):
    rows = judged("train").slice(8, 4)
    teacher = create(Teacher(backbone=str(tiny_encoder), max_tokens=32), seed=0).eval()
    columns = [rows.column(c).to_pylist() for c in ("query", "text")]
    with torch.inference_mode():
        logits = teacher(teacher.preprocess(list(zip(*columns))))["scores"].double().numpy()
        found = train.DistributionLoss(teacher)(columns, torch.from_numpy(from_columns(rows)))
    logarithms = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(found, -(from_columns(rows) * logarithms).sum(axis=1).mean(), rtol=1e-5)


@pytest.mark.long
def test_hard_labels_are_the_most_frequent_level(tiny_encoder, tmp_path):
    toy_trainings.teacher(
        tiny_encoder, tmp_path / "hard", tmp_path / "scratch", epochs=10, dropout=0.0, raters_distribution=False
    )
    rows = judged("train")
    graded, target = TeacherGrader(tmp_path / "hard", pins()).grade(rows), from_columns(rows)
    assert (graded.argmax(axis=1) == target.argmax(axis=1)).mean() > 0.9
    # Calibrated on raters who are less sure, it is no surer than they are.
    assert abs(graded.max(axis=1).mean() - target.max(axis=1).mean()) < 0.1


def test_soft_labels_are_learnt_as_they_are(learned):
    graded, target = TeacherGrader(learned, pins()).grade(judged("train")), from_columns(judged("train"))
    assert abs(graded.max(axis=1).mean() - target.max(axis=1).mean()) < 0.1
