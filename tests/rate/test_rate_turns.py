"""Who labels what: everybody in an order of their own, as often as asked, and nothing is taken from anybody."""

from collections import Counter
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from small_desks import make_pairs

from limbeck.rate.store import Answer, Event, Pair
from limbeck.rate.turns import Progress, deal

PAIRS = make_pairs(queries=tuple(f"query {i}" for i in range(20)), gold=4)
GOLD = {p.pair for p in PAIRS if p.gold is not None}
PROPER = [p.pair for p in PAIRS if p.gold is None]


def answer(rater, pair):
    return Answer(rater, pair, "rate", 3, "", 1.0, datetime(2026, 1, 1, tzinfo=UTC))


@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 99))
def test_every_pair_has_its_raters_and_gold_pairs_have_all(people, each, seed):
    raters = [f"rater{i}" for i in range(people)]
    turns = deal(PAIRS, raters, each, seed, [])
    had = Counter(pair for mine in turns.values() for pair in mine)
    assert all(had[pair] == min(each, people) for pair in PROPER)
    assert all(had[pair] == people for pair in GOLD)
    assert all(len(set(mine)) == len(mine) for mine in turns.values())
    loads = [len(mine) for mine in turns.values()]
    assert max(loads) - min(loads) <= 1


def test_everybody_has_an_order_of_their_own_which_the_seed_gives():
    raters = ["ana", "ben", "cleo"]
    turns = deal(PAIRS, raters, 3, 0, [])
    assert turns == deal(list(reversed(PAIRS)), list(reversed(raters)), 3, 0, [])
    assert len({tuple(mine) for mine in turns.values()}) == 3
    assert turns["ana"] != deal(PAIRS, raters, 3, 1, [])["ana"]
    assert sorted(turns["ana"]) == sorted(turns["ben"]) == sorted(p.pair for p in PAIRS)


def test_who_answered_keeps_the_pair_and_a_new_rater_takes_a_share_of_the_rest():
    turns = deal(PAIRS, ["ana", "ben"], 1, 0, [])
    said = [answer("ana", pair) for pair in turns["ana"][:30]]
    later = deal(PAIRS, ["ana", "ben", "cleo"], 1, 0, said)
    assert {a.pair for a in said} <= set(later["ana"])
    had = Counter(pair for mine in later.values() for pair in mine)
    assert all(had[pair] == 1 for pair in PROPER)
    assert len(later["cleo"]) > len(PAIRS) // 4


def test_who_left_has_still_answered():
    said = [answer("gone", pair) for pair in PROPER]
    assert set(deal(PAIRS, ["ana"], 1, 0, said)["ana"]) == GOLD
    assert len(deal(PAIRS, ["ana"], 2, 0, said)["ana"]) == len(PAIRS)


def event(pair, action="skip"):
    return Event("e" * 8, pair, action)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=30), st.sets(st.integers(0, 9)))
def test_progress_is_what_is_neither_answered_nor_held(said, held):
    turns = [str(i) * 16 for i in range(10)]
    progress, answered = Progress(turns, []), {}
    for i, undo in said:
        progress.apply([event(turns[i], "undo" if undo else "skip")])
        answered.pop(i, None)
        if not undo:
            answered[i] = None
    assert progress.ahead([turns[i] for i in held], 99) == [
        t for i, t in enumerate(turns) if i not in {*answered, *held}
    ]
    assert progress.past(99) == [turns[i] for i in answered]
    assert progress.counts() == (len(answered), 10)


def test_only_so_many_are_given_at_once():
    progress = Progress(["a", "b", "c", "d"], ["b"])
    assert progress.ahead([], 2) == ["a", "c"]
    assert progress.past(1) == ["b"]
    assert Progress([], []).ahead([], 5) == []


def test_a_pair_that_left_the_queue_counts_for_nobody():
    gone = Pair("f" * 16, "q", "p", None, None, "file", None, False)
    assert Progress(["a"], [gone.pair]).counts() == (0, 1)
