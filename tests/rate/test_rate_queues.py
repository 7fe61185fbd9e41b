"""Which pairs people are asked about, and which they never are."""

from datetime import UTC, datetime

import pytest
import small_workspace as small
from small_workspace import PINS, TEST, TRAIN

from limbeck import queueing
from limbeck.errors import InputError
from limbeck.rate.store import Event, writing

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def world(tmp_path):
    recipe, ws = small.make(tmp_path, pairs=10)
    with writing(tmp_path / "small.ratings.sqlite") as store:
        store.invite(["ana", "ben"])
        yield recipe, ws, store


def queued(store):
    return [(pair.query, pair.pin_id) for pair in store.pairs()]


def test_the_log_gives_so_many_pairs_of_its_own_and_none_of_test_queries(world):
    recipe, ws, store = world
    small.write_log(ws)
    assert queueing.fill(recipe, ws, store, "log", test=False) == 10
    assert {query for query, _ in queued(store)} <= set(small.QUERIES) - set(TEST)
    assert {pair.language for pair in store.pairs()} == {"en"}


def test_filling_again_adds_nothing_until_pairs_are_answered(world):
    recipe, ws, store = world
    small.write_log(ws)
    queueing.fill(recipe, ws, store, "log", test=False)
    assert queueing.fill(recipe, ws, store, "log", test=False) == 0
    for rater in ("ana", "ben"):
        pairs = [pair.pair for pair in store.pairs()][:4]
        store.append(rater, [Event(f"event-{i:04d}", p, "skip") for i, p in enumerate(pairs)], NOW)
    assert queueing.fill(recipe, ws, store, "log", test=False) == 4
    assert len(set(queued(store))) == 14


def test_what_was_judged_is_not_asked_again(world):
    recipe, ws, store = world
    small.write_log(ws, TRAIN[:2])
    small.write(ws, "judgments", [small.judgment(TRAIN[0], pin, 3) for pin in PINS])
    queueing.fill(recipe, ws, store, "log", test=False)
    assert {query for query, _ in queued(store)} == {TRAIN[1]}


def test_the_teacher_is_least_sure_where_its_level_varies_most(world):
    recipe, ws, store = world
    torn, near, sure = (0.5, 0, 0, 0, 0.5), (0, 0, 0.5, 0.5, 0), (0, 0, 0, 0.1, 0.9)
    answers = {(TRAIN[0], "pin0"): sure, (TRAIN[0], "pin1"): torn, (TRAIN[0], "pin2"): near, (TRAIN[1], "gone"): torn}
    small.write_soft_labels(ws, answers)
    found = queueing._candidates(recipe, ws, store, "unsure", False)
    assert [c.pin_id for c in found] == ["pin1", "pin2", "pin0"]


def test_graders_disagree_on_test_pairs_which_must_be_asked_for(world):
    recipe, ws, store = world
    asked = [(TEST[0], pin) for pin in PINS[:3]]
    small.write_grades(ws, asked, [(3, 5, 4), (3, 1, 3), (3, 2, 4)])
    with pytest.raises(InputError, match="--test"):
        queueing.fill(recipe, ws, store, "disagree", test=False)
    found = queueing._candidates(recipe, ws, store, "disagree", True)
    assert [c.pin_id for c in found] == ["pin1", "pin2", "pin0"]
    assert queueing.fill(recipe, ws, store, "disagree", test=True) == 3
    assert all(pair.test for pair in store.pairs())


def test_a_querys_feed_is_all_that_was_shown_however_it_is_spelt(world):
    recipe, ws, store = world
    small.write_log(ws)
    found = queueing._candidates(recipe, ws, store, f"feed: {TRAIN[0].upper()} ", False)
    assert [c.pin_id for c in found] == list(reversed(PINS))
    with pytest.raises(InputError, match="nobody searched"):
        queueing.fill(recipe, ws, store, "feed:nothing", test=False)


def test_gold_is_what_several_raters_said_alike(world):
    recipe, ws, store = world
    rows = [small.judgment(TRAIN[0], "pin0", 5, r) for r in "ab"] + [small.judgment(TRAIN[0], "pin1", 4, "a")]
    rows += [small.judgment(TRAIN[0], "pin2", level, str(level)) for level in (1, 2)]
    small.write(ws, "judgments", rows)
    assert queueing.fill(recipe, ws, store, "gold", test=False) == 1
    (pair,) = store.pairs()
    assert (pair.pin_id, pair.gold) == ("pin0", 5)


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_file_is_taken_whole_but_for_test_queries(world, tmp_path):
    recipe, ws, store = world
    lines = [f'"{q}",{pin},en,,{level}' for q in (TRAIN[0], TEST[0]) for pin, level in zip(PINS, "5  12   ")]
    path = write(tmp_path / "pairs.csv", "\ufeffquery,pin_id,language,country,gold\n" + "\n".join(lines))
    with pytest.raises(InputError, match=r"row 3, column 'gold': ' ' is no level"):
        queueing.fill(recipe, ws, store, path, test=False)
    write(tmp_path / "pairs.csv", (tmp_path / "pairs.csv").read_text("utf-8").replace(",, ", ",,"))
    assert queueing.fill(recipe, ws, store, path, test=False) == 8
    assert sorted(p.gold for p in store.pairs() if p.gold) == [1, 2, 5]
    assert queueing.fill(recipe, ws, store, path, test=True) == 8


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pin_id\npin0\n", "no column 'query'"),
        ("query,pin_id,colour\na,pin0,red\n", "unknown column 'colour'"),
        ("query,pin_id\na,nobody\n", r"row 2, column 'pin_id': no such Pin: 'nobody'"),
        ("query,pin_id\n ,pin0\n", "row 2: no query"),
        ("query,pin_id\na,pin0,b\n", "row 2: no query, or more values"),
        ("query,pin_id,gold\na,pin0,6\n", "'6' is no level"),
    ],
)
def test_a_wrong_file_is_refused_by_row_and_column(world, tmp_path, text, words):
    recipe, ws, store = world
    with pytest.raises(InputError, match=words):
        queueing.fill(recipe, ws, store, write(tmp_path / "wrong.csv", text), test=False)
    assert store.pairs() == []


@pytest.mark.parametrize("queue", ["log", "unsure", "disagree", "gold", "nonsense", "missing.csv"])
def test_a_queue_that_cannot_be_filled_says_why(world, queue):
    recipe, ws, store = world
    with pytest.raises(InputError) as error:
        queueing.fill(recipe, ws, store, queue, test=True)
    assert queue == "missing.csv" or error.value.remedy
