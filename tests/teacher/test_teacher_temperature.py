"""The temperature is the one that lowers the validation loss most, and is in the saved folder for whoever loads it."""

import json
import shutil

import numpy as np
import pytest
import toy_trainings
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import CrossEncoder
from toy_task import judged, pins

from limbeck.relevance import from_columns, softmax
from limbeck.teacher import temperature
from limbeck.teacher.grade import TeacherGrader


def world(true, rows, seed):
    """Probabilities (n, 5) of a grader, and hard levels drawn from its logits at the temperature `true`."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (rows, 5))
    noise = random.gumbel(size=(rows, 5))  # the largest of logits + Gumbel noise is a draw from their softmax
    return softmax(logits), np.eye(5)[(logits / true + noise).argmax(axis=1)]


def best_of_a_grid(distribution, target):
    """The best of 2,001 temperatures, by the definition of cross-entropy."""
    grid = np.exp(np.linspace(np.log(0.2), np.log(5), 2_001))
    losses = []
    for t in grid:
        powers = distribution.astype(np.float64) ** (1 / t)
        losses.append(-(target * np.log(powers / powers.sum(axis=1, keepdims=True))).sum())
    return grid[int(np.argmin(losses))]


@given(st.floats(0.4, 3), st.integers(30, 400), st.integers(0, 99))
def test_no_temperature_of_a_grid_is_better(true, rows, seed):
    distribution, target = world(true, rows, seed)
    assert temperature.fit(distribution, target) == pytest.approx(best_of_a_grid(distribution, target), rel=2e-3)


@pytest.mark.parametrize("true", [0.5, 1.0, 2.0])
def test_the_true_temperature_is_found(true):
    assert temperature.fit(*world(true, 20_000, 0)) == pytest.approx(true, rel=0.05)


def test_a_grader_that_is_always_right_or_always_wrong_stays_within_bounds():
    distribution, _ = world(1, 50, 0)
    right, wrong = np.eye(5)[distribution.argmax(axis=1)], np.eye(5)[distribution.argmin(axis=1)]
    assert temperature.fit(distribution, right) == pytest.approx(temperature.LOWEST, rel=1e-3)
    assert temperature.fit(distribution, wrong) == pytest.approx(temperature.HIGHEST, rel=1e-3)


def test_probabilities_of_zero_are_no_obstacle():
    certain = np.eye(5, dtype=np.float32)[np.arange(60) % 5]
    target = np.eye(5)[(np.arange(60) + (np.arange(60) % 3 == 0)) % 5]
    assert temperature.fit(certain, target) == pytest.approx(temperature.HIGHEST, rel=1e-3)
    assert np.isfinite(temperature.cross_entropy(certain, target))


@pytest.mark.parametrize("rows", [0, 1, temperature.FEWEST - 1])
def test_too_few_pairs_change_nothing(rows):
    assert temperature.fit(*world(2, rows, 0)) == 1.0


@pytest.fixture(scope="module", params=["softmax", "ordinal"])
def calibrated(request, tiny_encoder, tmp_path_factory):
    """A teacher of each head that had to learn hard levels, validated on raters who are less sure."""
    folder = tmp_path_factory.mktemp("calibrated")
    changes = {"epochs": 10, "dropout": 0.0, "raters_distribution": False, "head": request.param}
    toy_trainings.teacher(tiny_encoder, folder / "teacher", folder / "scratch", **changes)
    return folder / "teacher"


def pairs():
    rows = judged("valid")
    return list(zip(rows.column("query").to_pylist(), rows.column("text").to_pylist()))


def notes(folder):
    return json.loads((folder / "training.json").read_text(encoding="utf-8"))


@pytest.mark.long
def test_a_teacher_of_hard_levels_is_made_less_sure(calibrated, single_precision):
    noted, target = notes(calibrated), from_columns(judged("valid"))
    graded = TeacherGrader(calibrated, pins()).grade(judged("valid"))
    assert noted["temperature"] > 1
    assert noted["validation_pairs"] == judged("valid").num_rows
    assert noted["validation_loss"]["after"] < noted["validation_loss"]["before"]
    found = -(target * np.log(graded)).sum(axis=1).mean()
    assert noted["validation_loss"]["after"] == pytest.approx(found, abs=5e-3)  # noted as graded in bulk


@pytest.mark.long
def test_whoever_loads_the_folder_has_the_temperature(calibrated, single_precision):
    expected = CrossEncoder(str(calibrated)).predict(pairs(), apply_softmax=True)
    np.testing.assert_allclose(TeacherGrader(calibrated, pins()).grade(judged("valid")), expected, atol=1e-5)


def assert_divided(folder, t):
    """Whoever loads the folder after it was given a temperature has the scores of before, divided by it."""
    before = CrossEncoder(str(folder)).predict(pairs())
    temperature.apply(folder, t)
    after = CrossEncoder(str(folder)).predict(pairs())
    np.testing.assert_allclose(after, before / t, rtol=1e-4, atol=1e-5)
    assert (after.argmax(axis=1) == before.argmax(axis=1)).all()
    np.testing.assert_allclose(TeacherGrader(folder, pins()).grade(judged("valid")), softmax(after), atol=1e-5)


@pytest.mark.parametrize("t", [0.3, 4.0])
def test_scores_are_divided_and_the_likeliest_level_stays(learned, tmp_path, t, single_precision):
    assert_divided(shutil.copytree(learned, tmp_path / "teacher"), t)


@pytest.mark.long
@pytest.mark.parametrize("t", [0.3, 4.0])
def test_scores_of_either_head_are_divided(calibrated, tmp_path, t, single_precision):
    assert_divided(shutil.copytree(calibrated, tmp_path / "teacher"), t)
