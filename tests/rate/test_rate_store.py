"""What is kept: every event once, in order, for good."""

import sqlite3
import stat
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_desks import RATERS, make_pairs

from limbeck.errors import InputError
from limbeck.rate.store import ADMIN, Event, reading, writing

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
PAIRS = make_pairs()


def event(number, pair=0, action="rate", level=4, **more):
    return Event(f"event-{number:04d}", PAIRS[pair].pair, action, level if action == "rate" else None, **more)


def test_what_is_appended_stands_with_who_and_when(store):
    store.append("ana", [event(1, note="clear", seconds=2.5)], NOW)
    (answer,) = store.answers()
    assert (answer.person, answer.pair, answer.level, answer.note) == ("ana", PAIRS[0].pair, 4, "clear")
    assert (answer.seconds, answer.at) == (2.5, NOW)


def test_the_same_event_twice_is_kept_once(store):
    assert store.append("ana", [event(1), event(2, pair=1)], NOW) == [event(1), event(2, pair=1)]
    again = store.append("ana", [event(1), event(2, pair=1), event(3, pair=2)], NOW + timedelta(seconds=1))
    assert again == [event(3, pair=2)]
    assert [row["number"] for row in store.history()] == [1, 2, 3]


def test_raters_do_not_share_ids_of_events(store):
    for rater in RATERS:
        assert len(store.append(rater, [event(1)], NOW)) == 1


ACTS = st.tuples(st.sampled_from(RATERS), st.integers(0, 3), st.sampled_from(["rate", "skip", "flag", "undo"]))


@given(st.lists(st.tuples(ACTS, st.integers(1, 5), st.booleans()), max_size=25))
def test_what_stands_is_what_was_said_last_however_often_it_is_sent(tmp_path_factory, said):
    with writing(tmp_path_factory.mktemp("desk") / "r.sqlite") as store:
        store.invite(RATERS)
        store.add(PAIRS)
        last = {}
        for number, ((rater, pair, action), level, twice) in enumerate(said):
            one = event(number, pair, action, level)
            for _ in range(1 + twice):
                store.append(rater, [one], NOW)
            last[rater, PAIRS[pair].pair] = (action, one.level)
        expected = {who: what for who, what in last.items() if what[0] != "undo"}
        assert {(a.person, a.pair): (a.action, a.level) for a in store.answers()} == expected
        assert len(store.history()) == len(said)


def test_history_cannot_be_changed(store):
    store.append("ana", [event(1)], NOW)
    for statement in ("UPDATE events SET level = 1", "DELETE FROM events"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            store._connection.execute(statement)


def test_a_batch_with_an_unknown_pair_is_kept_whole_or_not_at_all(store):
    stranger = Event("event-9999", "0" * 16, "skip")
    with pytest.raises(sqlite3.IntegrityError):
        store.append("ana", [event(1), stranger], NOW)
    assert store.history() == []


def test_only_what_is_on_the_disk_is_acknowledged(store):
    settings_ = {name: store._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in
                 ("journal_mode", "synchronous", "foreign_keys")}  # fmt: skip
    assert settings_ == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_secrets_are_long_stay_and_are_nobody_elses_to_read(tmp_path):
    path = tmp_path / "new" / "r.sqlite"
    with writing(path) as store:
        store.invite([ADMIN, "ana"])
        first = store.secrets()
        store.invite(["ana", "ben"])
        assert {name: store.secrets()[name] for name in first} == first
        assert len(set(store.secrets().values())) == 3
        assert all(len(secret) >= 32 for secret in first.values())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_one_desk_at_a_time_writes_and_others_may_read(store, tmp_path):
    path = tmp_path / "ratings.sqlite"
    with pytest.raises(InputError, match="another desk"), writing(path):
        pass
    store.append("ana", [event(1)], NOW)
    with reading(path) as other:
        assert other.answers() == store.answers()


@pytest.mark.parametrize("content", [b"no database at all" * 100, b""])
def test_another_file_is_refused_when_it_is_read(tmp_path, content):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a database of the rating desk"), reading(path):
        pass


def test_another_programs_database_is_left_alone(tmp_path):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE mine (a)")
    before = path.read_bytes()
    with pytest.raises(InputError, match="not a database of the rating desk"), writing(path):
        pass
    assert path.read_bytes() == before


def test_pairs_are_added_once(store):
    assert store.add(PAIRS) == 0
    assert sorted(store.pairs(), key=str) == sorted(PAIRS, key=str)


@pytest.mark.parametrize(
    "wrong",
    [
        {"level": None}, {"level": 0}, {"level": 6}, {"action": "undo"}, {"action": "love"}, {"id": "short"},
        {"id": "a b c d e f"}, {"pair": "x" * 16}, {"seconds": -1}, {"seconds": 1e9}, {"note": "x" * 2001},
        {"extra": 1},
    ],
)  # fmt: skip
def test_no_other_event_is_let_in(wrong):
    right = {"id": "event-0001", "pair": "0" * 16, "action": "rate", "level": 3}
    assert msgspec.convert(right, Event).level == 3
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**right, **wrong}, Event)
