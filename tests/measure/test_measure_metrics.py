import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.measure import metrics

seeds = st.integers(0, 2**32 - 1)


def levels(rng, n):
    return rng.integers(1, 6, n)


def distributions(rng, n):
    return rng.dirichlet(np.ones(5), n)


@given(seeds)
def test_metrics_of_the_confusion_matrix_agree_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    truth, predicted = levels(rng, 40), levels(rng, 40)
    matrix = metrics.confusion(truth, predicted)
    assert metrics.accuracy(matrix) == pytest.approx(sklearn.metrics.accuracy_score(truth, predicted))
    assert metrics.off_by_one_accuracy(matrix) == pytest.approx(np.mean(np.abs(truth - predicted) <= 1))
    assert metrics.macro_f1(matrix) == pytest.approx(sklearn.metrics.f1_score(truth, predicted, average="macro"))
    kappa = sklearn.metrics.cohen_kappa_score(truth, predicted, weights="quadratic")
    assert metrics.quadratic_kappa(matrix) == pytest.approx(kappa)


def test_macro_f1_counts_only_levels_that_occur():
    truth, predicted = np.asarray([1, 1, 5]), np.asarray([1, 5, 5])
    want = sklearn.metrics.f1_score(truth, predicted, average="macro")
    assert metrics.macro_f1(metrics.confusion(truth, predicted)) == pytest.approx(want)


@given(seeds, st.integers(1, 30))
def test_auroc_agrees_with_scikit_learn_with_ties_and_weights(seed, distinct):
    rng = np.random.default_rng(seed)
    scores, positive = rng.integers(0, distinct, 50) / 7, rng.random(50) < 0.4
    positive[:2] = True, False
    weights = rng.integers(0, 4, 50).astype(float)
    weights[:2] = 1
    assert metrics.auroc(scores, positive) == pytest.approx(sklearn.metrics.roc_auc_score(positive, scores))
    want = sklearn.metrics.roc_auc_score(positive, scores, sample_weight=weights)
    assert metrics.auroc(scores, positive, weights) == pytest.approx(want)


@given(seeds, st.integers(2, 30))
def test_spearman_under_weights_is_scipys_on_repeated_pairs(seed, distinct):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, distinct, 40) / 3, rng.normal(size=40)
    x[:2] = 0, 1
    weights = rng.integers(0, 3, (4, 40))
    weights[:, :2] = 1
    assert metrics.spearman(x, y) == pytest.approx(scipy.stats.spearmanr(x, y).statistic)
    want = [scipy.stats.spearmanr(np.repeat(x, w), np.repeat(y, w)).statistic for w in weights]
    assert metrics.spearman(x, y, weights.astype(float)) == pytest.approx(want)


def test_what_cannot_be_computed_is_nan():
    scores = np.asarray([0.1, 0.2])
    assert np.isnan(metrics.auroc(scores, np.asarray([True, True])))
    assert np.isnan(metrics.spearman(scores, np.asarray([3.0, 3.0])))
    assert np.isnan(metrics.quadratic_kappa(metrics.confusion(np.asarray([3]), np.asarray([3]))))


@given(seeds)
def test_log_loss_agrees_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    truth, distribution = levels(rng, 30), distributions(rng, 30)
    want = sklearn.metrics.log_loss(truth, distribution, labels=[1, 2, 3, 4, 5])
    assert metrics.log_loss(distribution, truth).mean() == pytest.approx(want)


def test_log_loss_of_an_impossible_truth_is_finite():
    assert metrics.log_loss(np.eye(5)[:1], np.asarray([5]))[0] == pytest.approx(-np.log(metrics.FLOOR))


def test_ranked_probability_score_by_hand():
    distribution = np.asarray([[1, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0.5, 0.5, 0, 0, 0]], float)
    score = metrics.ranked_probability_score(distribution, np.asarray([5, 3, 1]))
    assert score.tolist() == [1.0, 0.0, 0.0625]


def test_calibration_error_by_hand():
    # two bins: stated .9, right .5 on 2 pairs; stated .6, right .75 on 4 pairs
    error = metrics.calibration_error(np.asarray([1.0, 3.0]), np.asarray([1.8, 2.4]), np.asarray([2.0, 4.0]))
    assert error == pytest.approx((2 * 0.4 + 4 * 0.15) / 6)


@given(seeds, st.integers(1, 15))
def test_bins_hold_equally_many_and_keep_equal_values_together(seed, bins):
    values = np.random.default_rng(seed).random(150)
    assert np.ptp(np.bincount(metrics.equal_mass_bins(values, bins), minlength=bins)) <= 1
    assert len(set(metrics.equal_mass_bins(np.full(9, 0.3), bins).tolist())) == 1


def test_ties_earn_what_their_places_would_on_average():
    rng = np.random.default_rng(3)
    gains, query = rng.integers(0, 5, 8).astype(float), np.zeros(8, int)
    scores = np.asarray([2, 2, 2, 1, 1, 0, 0, 0], float)
    broken = [metrics.ndcg(scores + rng.random(8) / 10, gains, query, 4)[0] for _ in range(2000)]
    assert metrics.ndcg(scores, gains, query, 4)[0] == pytest.approx(np.mean(broken), abs=0.015)
    best = [metrics.precision(scores + rng.random(8) / 10, gains >= 3, query, 4)[0] for _ in range(2000)]
    assert metrics.precision(scores, gains >= 3, query, 4)[0] == pytest.approx(np.mean(best), abs=0.015)


def test_all_tied_scores_rank_like_a_random_order():
    gains, query = np.asarray([4.0, 0.0]), np.zeros(2, int)
    either = (1 + 1 / np.log2(3)) / 2
    assert metrics.ndcg(np.ones(2), gains, query, 20)[0] == pytest.approx(either)
    assert metrics.precision(np.ones(2), gains > 0, query, 1)[0] == 0.5


def test_a_query_without_gain_has_no_ndcg_and_unfilled_places_count_against_precision():
    query = np.asarray([0, 0, 1])
    gains = np.asarray([0.0, 0.0, 4.0])
    found = metrics.ndcg(np.asarray([3.0, 2.0, 1.0]), gains, query, 20)
    assert np.isnan(found[0])
    assert found[1] == 1
    assert metrics.precision(np.asarray([3.0, 2.0, 1.0]), gains > 0, query, 8).tolist() == [0, 1 / 8]


def alpha_by_pairs(units):
    """Krippendorff's ordinal alpha from its definition: every pair of values within, and across, units."""
    pooled = [v for unit in units for v in unit]
    count = {v: pooled.count(v) for v in set(pooled)}

    def distance(a, b):
        low, high = min(a, b), max(a, b)
        return (sum(n for v, n in count.items() if low <= v <= high) - (count[a] + count[b]) / 2) ** 2

    within = sum(
        distance(a, b) / (len(u) - 1) for u in units for i, a in enumerate(u) for j, b in enumerate(u) if i != j
    )
    across = sum(distance(a, b) for i, a in enumerate(pooled) for j, b in enumerate(pooled) if i != j)
    return 1 - (within / len(pooled)) / (across / (len(pooled) * (len(pooled) - 1)))


@given(st.lists(st.lists(st.integers(1, 5), min_size=2, max_size=5), min_size=2, max_size=8))
@settings(deadline=None)
def test_krippendorffs_alpha_agrees_with_its_definition(units):
    counts = np.asarray([np.bincount(u, minlength=6)[1:] for u in units], float)
    found = metrics.krippendorff_alpha(metrics.coincidences(counts).sum(0))
    if len({v for u in units for v in u}) == 1:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(alpha_by_pairs(units))


def test_krippendorffs_alpha_of_his_published_example():
    # Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", section D: four observers, ordinal .815
    rows = """1 2 3 3 2 1 4 1 2 . . .
              1 2 3 3 2 2 4 1 2 5 . 3
              . 3 3 3 2 3 4 2 2 5 1 .
              1 2 3 3 2 4 4 1 2 5 1 ."""
    table = [row.split() for row in rows.splitlines()]
    units = [[int(v) for v in column if v != "."] for column in zip(*table)]
    counts = np.asarray([np.bincount(u, minlength=6)[1:] for u in units if len(u) > 1], float)
    assert metrics.krippendorff_alpha(metrics.coincidences(counts).sum(0)) == pytest.approx(0.815, abs=5e-4)
