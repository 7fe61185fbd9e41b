"""Agreement beside other people's arithmetic and published numbers."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, confusion_matrix
from small_desks import RATERS, make_pairs

from limbeck.rate.agreement import agreement, conflicts, ordinal_alpha
from limbeck.rate.store import ADMIN, Answer

PAIRS = make_pairs(gold=2)
LEVELS = st.dictionaries(st.sampled_from(range(2, len(PAIRS))), st.integers(1, 5), min_size=2)


def answer(person, number, level, action="rate", seconds=1.0, note=""):
    return Answer(person, PAIRS[number].pair, action, level, note, seconds, datetime(2026, 1, 1, tzinfo=UTC))


def test_alpha_of_krippendorffs_published_example():
    # Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", section D: four observers, ordinal .815
    rows = """1 2 3 3 2 1 4 1 2 . . .
              1 2 3 3 2 2 4 1 2 5 . 3
              . 3 3 3 2 3 4 2 2 5 1 .
              1 2 3 3 2 4 4 1 2 5 1 ."""
    raters = [{str(i): int(v) for i, v in enumerate(row.split()) if v != "."} for row in rows.splitlines()]
    alpha, pairs = ordinal_alpha(raters)
    assert (alpha, pairs) == (pytest.approx(0.815, abs=5e-4), 11)


@given(LEVELS, LEVELS)
def test_kappa_and_confusion_are_those_of_scikit_learn(one, other):
    both = sorted(one.keys() & other.keys())
    answers = [answer("ana", n, level) for n, level in one.items()]
    answers += [answer("ben", n, level) for n, level in other.items()]
    (couple,) = agreement(PAIRS, answers, ["ana", "ben"]).couples
    assert couple.pairs == len(both)
    first, second = ([mine[n] for n in both] for mine in (one, other))
    if both:
        assert couple.confusion == confusion_matrix(first, second, labels=range(1, 6)).tolist()
    if len({*first, *second}) > 1:
        assert couple.kappa == pytest.approx(cohen_kappa_score(first, second, labels=range(1, 6), weights="quadratic"))
    else:
        assert couple.kappa is None


def test_gold_pairs_measure_raters_and_count_for_nothing_else():
    answers = [answer("ana", 0, 5), answer("ana", 1, 2), answer("ben", 0, 5), answer("ana", 2, 3), answer("ben", 2, 3)]
    found = agreement(PAIRS, answers, RATERS)
    assert [(r.rater, r.gold, r.gold_accuracy) for r in found.raters] == [
        ("ana", 2, 0.5), ("ben", 1, 1.0), ("cleo", 0, None)
    ]  # fmt: skip
    assert found.pairs == 1
    assert found.couples[0].pairs == 1


def test_what_a_rater_did_is_counted_and_timed():
    answers = [answer("ana", 3, 1, seconds=1), answer("ana", 4, None, "skip", 9), answer("ana", 5, None, "flag", 2)]
    ana, ben, _ = agreement(PAIRS, answers, RATERS).raters
    assert (ana.rated, ana.skipped, ana.flagged, ana.seconds) == (1, 1, 1, 2)
    assert (ben.rated, ben.seconds) == (0, None)


def test_without_answers_there_is_nothing_to_agree_about():
    found = agreement(PAIRS, [], RATERS)
    assert (found.alpha, found.pairs) == (None, 0)
    assert [c.kappa for c in found.couples] == [None] * 3
    assert conflicts(PAIRS, []) == []


def test_conflicts_are_two_levels_apart_or_flagged_and_the_widest_come_first():
    answers = [
        answer("ana", 2, 5), answer("ben", 2, 4),
        answer("ana", 3, 5), answer("ben", 3, 3),
        answer("ana", 4, 5), answer("ben", 4, 1),
        answer("ana", 5, None, "flag", note="no picture"),
    ]  # fmt: skip
    found = conflicts(PAIRS, answers)
    assert [(c.pair.pair, c.spread) for c in found] == [(PAIRS[4].pair, 4), (PAIRS[3].pair, 2), (PAIRS[5].pair, 0)]
    settled = conflicts(PAIRS, [*answers, answer(ADMIN, 4, 2)])
    assert [(c.pair.pair, c.level) for c in settled][-1] == (PAIRS[4].pair, 2)
    assert all(a.person != ADMIN for c in settled for a in c.answers)
