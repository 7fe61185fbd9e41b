"""Scores to five probabilities, against scikit-learn's own answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from limbeck import calibration
from limbeck.relevance import expected_level


def one_hot(levels):
    return np.eye(5)[np.asarray(levels) - 1]


def judged(count=600, seed=0, given=(1, 2, 3, 4, 5)):
    """Scores, and levels that mostly rise with them."""
    random = np.random.default_rng(seed)
    place = random.integers(0, len(given), count)
    return 3.0 * place + random.normal(size=count) * 2 + 40, np.asarray(given)[place]


def peer(scores, levels, weights=None):
    """What scikit-learn answers about the same scores when it is left alone: (n, 5)."""
    z = (scores - scores.mean()) / scores.std()
    rows = np.column_stack([z, z**2])
    model = LogisticRegression(max_iter=1_000).fit(rows, levels, sample_weight=weights)
    answers = np.zeros((len(scores), 5))
    answers[:, model.classes_ - 1] = model.predict_proba(rows)
    return answers


@pytest.mark.parametrize("given", [(1, 2, 3, 4, 5), (1, 3, 5), (2, 4), (1, 5), (4, 5)])
def test_answers_are_those_of_scikit_learn(given):
    scores, levels = judged(given=given)
    answers = calibration.fit(scores, one_hot(levels))(scores)
    assert (answers.dtype, answers.shape) == (np.float32, (len(scores), 5))
    np.testing.assert_allclose(answers, peer(scores, levels), atol=2e-6)


def test_raters_who_disagree_count_by_their_share():
    scores, first = judged()
    second = np.random.default_rng(1).integers(1, 6, len(scores))
    target = (one_hot(first) * 2 + one_hot(second)) / 3
    answers = calibration.fit(scores, target)(scores)
    twice, levels = np.concatenate([scores, scores]), np.concatenate([first, second])
    weights = np.repeat([2 / 3, 1 / 3], len(scores))
    np.testing.assert_allclose(answers, peer(twice, levels, weights)[: len(scores)], atol=1e-4)


def test_a_level_that_nobody_gave_stays_improbable():
    scores, levels = judged(given=(2, 3, 4))
    answers = calibration.fit(scores, one_hot(levels))(np.linspace(scores.min(), scores.max(), 50))
    assert answers[:, [0, 4]].max() < 1e-6
    assert answers[:, 1:4].max(axis=1).min() > 0.3


@pytest.mark.parametrize("level", [1, 3, 5])
def test_one_level_only_is_that_level_whatever_the_score(level):
    fitted = calibration.fit(np.array([1.0, 2.0, 7.0]), one_hot([level] * 3))
    np.testing.assert_allclose(fitted(np.array([-100.0, 2.0, 1e6])), one_hot([level] * 3), atol=1e-6)


@pytest.mark.parametrize("score", [0.0, 0.5, 0.1, 1e-3 / 7, 1234.1])
def test_scores_that_are_all_the_same_give_the_shares_of_the_levels(score):
    levels = [1] * 9 + [4] * 28  # 37: the mean of so many equal scores is not always that score
    fitted = calibration.fit(np.full(37, score), one_hot(levels))
    np.testing.assert_allclose(fitted(np.array([score])), [[9 / 37, 0, 0, 28 / 37, 0]], atol=0.001)
    assert fitted(np.array([score + 1e-6]))[0, 3] == pytest.approx(28 / 37, abs=0.01)  # rounding is no spread


def test_levels_that_rise_with_the_score_give_an_expected_level_that_does():
    scores = np.linspace(0, 30, 300)
    levels = 1 + (scores // 6.001).astype(int)
    grades = expected_level(calibration.fit(scores, one_hot(levels))(scores))
    assert (np.diff(grades) > 0).all()
    assert grades[0] < 1.5
    assert grades[-1] > 4.5


SCORES = st.integers(-1_000, 1_000).map(lambda hundredths: hundredths / 100)


@given(st.lists(st.tuples(SCORES, st.integers(1, 5)), min_size=1, max_size=20), st.lists(SCORES, max_size=10))
def test_answers_are_distributions(judged, asked):
    scores, levels = (np.asarray(column) for column in zip(*judged))
    answers = calibration.fit(scores, one_hot(levels))(np.asarray(asked, dtype=np.float64))
    assert answers.shape == (len(asked), 5)
    assert (answers >= 0).all()
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)


def test_what_is_loaded_is_what_was_saved(tmp_path):
    scores, levels = judged()
    fitted = calibration.fit(scores, one_hot(levels))
    fitted.save(tmp_path / "calibration.json")
    loaded = calibration.Calibration.load(tmp_path / "calibration.json")
    assert loaded == fitted
    np.testing.assert_array_equal(loaded(scores), fitted(scores))


def test_fitting_again_gives_the_same_bytes(tmp_path):
    scores, levels = judged()
    for name in ("one", "two"):
        calibration.fit(scores, one_hot(levels)).save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
