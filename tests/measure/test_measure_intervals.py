import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from limbeck.measure.intervals import holm, interval, paired_bootstrap, resamples, sign_flip


def test_every_resample_draws_as_many_queries_as_there_are():
    chunks = list(resamples(queries=40, times=100, pairs=20_000, seed=1))
    assert len(chunks) > 1
    drawn = np.concatenate(chunks)
    assert drawn.shape == (100, 40)
    assert (drawn.sum(1) == 40).all()
    assert np.array_equal(drawn, np.concatenate(list(resamples(40, 100, 20_000, 1))))


def test_the_interval_of_a_mean_covers_the_truth_as_often_as_it_says():
    covered = 0
    for seed in range(200):
        data = np.random.default_rng(seed).normal(0.6, 1, 80)
        drawn = np.concatenate([w @ data / 80 for w in resamples(80, 400, 80, seed)])
        low, high = interval(data.mean(), drawn, 0.95)
        covered += low <= 0.6 <= high
    assert 0.90 <= covered / 200 <= 0.99


def test_an_interval_holds_its_value_even_where_resampling_is_biased():
    low, high = interval(0.02, np.random.default_rng(0).normal(0.05, 0.005, 1000), 0.95)
    assert low < 0.02 < high


def test_an_interval_that_most_resamples_know_nothing_of_is_unknown():
    assert np.isnan(interval(0.5, np.asarray([0.5, np.nan, np.nan]), 0.95)).all()


def test_sign_flip_agrees_with_scipys_permutation_test():
    differences = np.random.default_rng(5).normal(0.25, 1, 12)
    exact = scipy.stats.permutation_test((differences,), np.sum, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip(differences[:, None], seed=0)[0] == pytest.approx(exact.pvalue, abs=0.005)


def test_p_values_are_uniform_where_nothing_differs():
    rng = np.random.default_rng(11)
    p = sign_flip(rng.normal(0, 1, (40, 300)), seed=0, flips=2000)
    assert scipy.stats.kstest(p, "uniform").pvalue > 0.01
    p = []  # of means over paired resamples
    for i in range(300):
        data = rng.normal(0, 1, 60)
        p.append(paired_bootstrap(data.mean(), np.concatenate([w @ data / 60 for w in resamples(60, 300, 60, i)])))
    assert scipy.stats.kstest(p, "uniform").pvalue > 0.01


def test_equal_graders_differ_in_nothing():
    assert sign_flip(np.zeros((5, 1)), seed=0).tolist() == [1]
    assert paired_bootstrap(0.0, np.zeros(10)) == 1
    assert paired_bootstrap(1.0, np.ones(9)) == 0.1
    assert np.isnan(paired_bootstrap(np.nan, np.ones(9)))


def test_holm_by_hand():
    assert holm(np.asarray([0.01, 0.04, 0.03])) == pytest.approx([0.03, 0.06, 0.06])
    with_gap = holm(np.asarray([0.01, np.nan, 0.04]))
    assert with_gap[[0, 2]] == pytest.approx([0.02, 0.04])
    assert np.isnan(with_gap[1])
    assert len(holm(np.asarray([]))) == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p):
    adjusted = holm(np.asarray(p))
    assert (adjusted >= np.asarray(p)).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()
