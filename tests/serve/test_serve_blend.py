"""The order of what was graded: relevance decides, floors hold, engagement breaks near-ties, variety loses nobody."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.index.catalogue import Shown
from limbeck.serve.blend import Blender, domain, leading, varied
from limbeck.serve.ranker import Ranker
from limbeck.settings import Blend

LEVELS = st.lists(st.floats(1, 5).map(lambda x: round(x, 3)), min_size=1, max_size=50)
BLENDS = st.builds(
    Blend,
    engagement=st.sampled_from([0.0, 0.05, 0.5, 4.0]),
    floors=st.sampled_from([(), (2.5, 3.5, 4.5), (1.5, 2.5, 3.5, 4.5)]),
    board=st.sampled_from([0.0, 0.1, 1.0]),
    domain=st.sampled_from([0.0, 0.2, 5.0]),
)


def order(store, settings, expected, query="red sofa", k=None):
    """Places of Pins, which are the first ones of the store, as they would be shown."""
    found = Blender(settings, store).first(query, np.arange(len(expected)), np.asarray(expected), k or len(expected))
    return found.tolist()


def engaged(store, count, query="red sofa"):
    """How engaged with the first Pins of the store are, as shares."""
    signal = store.signals.engagement
    expected, weights = signal.expected(query, store.match_rows[np.arange(count)]), (1, 2, 3)
    worth = expected @ weights
    return worth / (worth + signal.population.rates @ np.asarray(weights))


@given(LEVELS, BLENDS)
def test_every_pin_is_there_once_whatever_the_settings(store, expected, settings):
    assert sorted(order(store, settings, expected)) == list(range(len(expected)))
    half = max(1, len(expected) // 2)
    assert order(store, settings, expected, k=half) == order(store, settings, expected)[:half]


@given(LEVELS, st.integers(0, 60))
def test_those_that_lead_are_the_first_ones_and_their_equals(expected, k):
    scores = np.round(expected, 1)
    last = np.sort(scores)[::-1][k - 1] if 0 < k < len(scores) else 0
    assert leading(scores, k).tolist() == np.flatnonzero(scores >= last).tolist()


@given(LEVELS, BLENDS)
def test_no_pin_below_a_floor_comes_before_one_above_it(store, expected, settings):
    shown = [expected[i] for i in order(store, settings, expected)]
    for floor in settings.floors:
        above = [level >= floor for level in shown]
        assert above == sorted(above, reverse=True)


@given(LEVELS, st.integers(0, 49), st.floats(0.001, 2), st.floats(0, 4))
def test_a_pin_that_becomes_more_relevant_never_falls(store, expected, which, gain, engagement):
    which %= len(expected)
    better = [min(5.0, level + gain) if i == which else level for i, level in enumerate(expected)]
    settings = Blend(engagement=engagement)
    before, after = (order(store, settings, levels).index(which) for levels in (expected, better))
    assert after <= before


@given(LEVELS)
def test_engagement_decides_between_near_ties_alone(store, expected):
    settings = Blend(floors=())
    shown = order(store, settings, expected)
    share = engaged(store, len(expected))
    for place, first in enumerate(shown):
        for later in shown[place + 1 :]:
            assert expected[first] > expected[later] - settings.engagement
            if expected[first] == expected[later]:
                assert share[first] >= share[later]


def test_pins_that_users_save_come_first_among_equals(store):
    share = engaged(store, 50)
    assert 0 < share.min() < 0.5 < share.max() < 1
    assert share[:30] == pytest.approx(0.5)  # nobody has seen them: they are as all are
    shown = order(store, Blend(), [4.0] * 50)
    assert [share[i] for i in shown] == sorted(share, reverse=True)


def test_without_engagement_the_order_is_that_of_relevance(store, ranker):
    blended = Ranker(store, blend=Blend(engagement=0, floors=())).search("oak shelf", 50, 50)
    assert blended == ranker.search("oak shelf", 50, 50)


def test_without_a_log_all_pins_are_usual(store):
    without = dataclasses.replace(store, signals=type(store.signals)(store.signals.match, []))
    assert order(without, Blend(), [3.0, 4.0, 3.0]) == [1, 0, 2]


def test_a_search_is_blended_and_a_rerank_is_not(store):
    usual, eager = Ranker(store), Ranker(store, blend=Blend(engagement=4, floors=()))
    found = [p.pin_id for p in eager.search("red sofa", 50, 50)]
    assert found != [p.pin_id for p in usual.search("red sofa", 50, 50)]
    assert sorted(found) == sorted(p.pin_id for p in usual.search("red sofa", 50, 50))
    assert eager.rerank("red sofa", found) == usual.rerank("red sofa", found)
    assert eager.search("red sofa", 5, 0) == []


def test_variety_costs_a_pin_for_each_of_its_kind_before_it():
    scores, kinds = [4.0, 3.9, 3.8, 3.0, 2.9], [(0.5, ["a", "a", "a", "b", None])]
    assert varied(range(5), scores, [0] * 5, kinds, 5) == [0, 1, 3, 4, 2]  # 4.0, 3.4, 3.0, 2.9, 2.8
    assert varied(range(5), scores, [0, 0, 0, 0, 1], kinds, 2) == [4, 0]


@given(st.lists(st.tuples(st.floats(1, 5), st.sampled_from("abc"), st.sampled_from(["x", "y", None])), max_size=12))
def test_variety_takes_the_best_of_what_is_left_each_time(pins):
    costs = (0.25, 0.5)
    kinds = [(cost, [pin[1 + n] for pin in pins]) for n, cost in enumerate(costs)]
    left, want = list(range(len(pins))), []
    while left:
        placed = [[pins[i][1 + n] for i in want] for n in range(2)]
        lost = {
            i: sum(c * placed[n].count(pins[i][1 + n]) for n, c in enumerate(costs) if pins[i][1 + n]) for i in left
        }
        want.append(max(left, key=lambda i: (pins[i][0] - lost[i], -i)))
        left.remove(want[-1])
    order = sorted(range(len(pins)), key=lambda i: -pins[i][0])
    got = varied(order, [pin[0] for pin in pins], [0] * len(pins), kinds, len(pins))
    assert sorted(got) == sorted(want)
    assert _value(got, pins, costs) == pytest.approx(_value(want, pins, costs))


def _value(order, pins, costs):
    """What each place is worth, with what its Pin has lost."""
    worth = []
    for place, i in enumerate(order):
        before = [pins[j] for j in order[:place]]
        lost = sum(c * sum(b[1 + n] == pins[i][1 + n] for b in before) for n, c in enumerate(costs) if pins[i][1 + n])
        worth.append(pins[i][0] - lost)
    return worth


@pytest.mark.parametrize(
    ("link", "host"),
    [("https://www.shop.example/a?b", "shop.example"), ("http://Shop.Example:80", "shop.example"), (None, None),
     ("javascript:alert(1)", None), ("http://[", None), ("", None)],
)  # fmt: skip
def test_domains(link, host):
    assert domain(Shown("p", None, None, None, link, None, None)) == host
