"""Both heads give five probabilities; the ordinal one is the proportional-odds model, by independent arithmetic."""

import json
import re

import numpy as np
import pytest
import torch
import toy_trainings
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sentence_transformers import CrossEncoder
from toy_task import judged, pins

from limbeck.relevance import expected_level, from_columns
from limbeck.settings import Teacher
from limbeck.teacher import heads, model, train
from limbeck.teacher.grade import TeacherGrader

SIZE = 6
numbers = st.floats(-8, 8, width=32)


def head(weights, first, log_gaps):
    """An ordinal head with these parameters."""
    made = heads.create("ordinal", SIZE)
    with torch.no_grad():
        for parameter, values in ((made.linear.weight, [weights]), (made.first_threshold, [first])):
            parameter.copy_(torch.tensor(values))
        made.log_gaps.copy_(torch.tensor(log_gaps))
    return made


def scores(modules, states):
    features = {"sentence_embedding": torch.as_tensor(states, dtype=torch.float32)}
    for module in modules:
        features = module(features)
    return features["scores"].detach()


def proportional_odds(weights, thresholds, states):
    """McCullagh's model as it is written down: differences of cumulative probabilities, in double precision."""
    upto = expit(np.asarray(thresholds, np.float64) - (np.asarray(states, np.float64) @ weights)[:, None])
    ends = np.zeros((len(upto), 1))
    return np.diff(np.hstack([ends, upto, ends + 1]), axis=1)


@given(
    st.lists(st.floats(-1, 1, width=32), min_size=SIZE, max_size=SIZE),
    numbers,
    st.lists(st.floats(-3, 2, width=32), min_size=3, max_size=3),
    st.lists(st.lists(st.floats(-1, 1, width=32), min_size=SIZE, max_size=SIZE), min_size=1, max_size=4),
)
def test_the_ordinal_head_is_the_proportional_odds_model(weights, first, log_gaps, states):
    made = head(weights, first, log_gaps)
    thresholds = first + np.concatenate([[0], np.cumsum(np.exp(log_gaps))])
    found = scores([made], states)
    np.testing.assert_allclose(found.exp(), proportional_odds(weights, thresholds, states), atol=2e-6)
    np.testing.assert_allclose(found.softmax(1), found.exp(), atol=2e-6)  # scores are log-probabilities
    np.testing.assert_array_equal(scores(made.plain(), states), found)


@pytest.mark.parametrize("far", [-200.0, 200.0])
def test_far_out_the_ordinal_head_loses_no_digits(far):
    made = head([1.0] + [0.0] * (SIZE - 1), -1.0, [0.0, 0.0, 0.0])
    found = scores([made], [[far] + [0.0] * (SIZE - 1)])[0]
    assert torch.isfinite(found).all()
    upwards = found if far > 0 else found.flip(0)
    assert (upwards.diff() > 0).all()
    assert upwards[-1] == pytest.approx(0, abs=1e-6)


def test_thresholds_begin_where_the_labels_have_their_shares():
    made = heads.create("ordinal", SIZE)
    shares = np.array([0.1, 0.05, 0.4, 0.25, 0.2])
    made.begin(shares)
    np.testing.assert_allclose(scores([made], np.zeros((1, SIZE))).exp()[0], shares, atol=1e-6)


def test_a_level_that_nobody_gave_does_no_harm():
    made = heads.create("ordinal", SIZE)
    made.begin(np.array([0.0, 0.5, 0.0, 0.0, 0.5]))
    found = scores([made], np.zeros((1, SIZE)))[0].exp()
    assert (found > 0).all()
    np.testing.assert_allclose(found, [0.001, 0.5, 0.001, 0.001, 0.5], atol=2e-3)


def test_every_threshold_learns_and_only_they_learn_faster(tiny_encoder):
    teacher = model.create(Teacher(backbone=str(tiny_encoder), max_tokens=32, head="ordinal"), seed=0)
    loss = train.DistributionLoss(teacher)
    rows = judged("train").slice(0, 16)
    columns = [rows.column(c).to_pylist() for c in ("query", "text")]
    loss(columns, torch.from_numpy(from_columns(rows))).backward()
    assert all((p.grad != 0).all() for p in (teacher[-1].first_threshold, teacher[-1].log_gaps))
    ((pattern, rate),) = heads.learning_rates(teacher, 1e-4).items()
    assert rate > 1e-4
    fast = {name for name, _ in loss.named_parameters() if re.search(pattern, name)}
    assert fast == {"model.3.first_threshold", "model.3.log_gaps"}


@pytest.fixture(scope="module")
def ordinal(tiny_encoder, tmp_path_factory):
    """The folder of an ordinal teacher that has learnt the toy task."""
    folder = tmp_path_factory.mktemp("ordinal")
    toy_trainings.teacher(tiny_encoder, folder / "teacher", folder / "scratch", epochs=10, dropout=0.0, head="ordinal")
    return folder / "teacher"


@pytest.mark.long
def test_an_ordinal_teacher_is_read_by_sentence_transformers_alone(ordinal, single_precision):
    kinds = [module["type"] for module in json.loads((ordinal / "modules.json").read_text())]
    assert all(kind.startswith("sentence_transformers.") for kind in kinds)
    rows = judged("valid")
    pairs = list(zip(rows.column("query").to_pylist(), rows.column("text").to_pylist()))
    expected = CrossEncoder(str(ordinal)).predict(pairs, apply_softmax=True)
    np.testing.assert_allclose(TeacherGrader(ordinal, pins()).grade(rows), expected, atol=1e-5)


def test_an_ordinal_teacher_learns_the_order(ordinal):
    rows = judged("valid")
    graded, target = TeacherGrader(ordinal, pins()).grade(rows), from_columns(rows)
    assert np.corrcoef(expected_level(graded), expected_level(target))[0, 1] > 0.8
    guess = from_columns(judged("train")).mean(axis=0)
    loss, guessing = (-(target * np.log(np.maximum(p, 1e-9))).sum(axis=1).mean() for p in (graded, guess))
    assert loss < 0.7 * guessing
