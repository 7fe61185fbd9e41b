"""The index of today's tables by yesterday's models: nothing is learnt, and only what is new is read."""

import pytest
import tiny_run
from tiny_run import TINY

from limbeck.index.store import Store
from limbeck.live.journal import Changes, Journal
from limbeck.records import Pin
from limbeck.serve.ranker import Ranker
from limbeck.workspace import Workspace

NEW = Pin("new-1", "zeppelin for the living room", "a toy", None, None, "en", None, None)
LEARNT = {"models/teacher", "models/student", "models/student-human", "models/student-30"}
LEARNT |= {"signals/searchsage", "signals/pinsage", "signals/interests"}


def vectors(ws):
    rows = ws.table("pin_vectors")
    return dict(zip(rows.column("pin_id").to_pylist(), rows.column("vector").to_pylist()))


def test_a_new_pin_is_indexed_by_the_models_as_they_are(home, copy):
    ws = Workspace(copy)
    gone = ws.table("pins", ["pin_id"]).column("pin_id")[0].as_py()
    before, learnt = vectors(ws), {name: ws.manifest(name) for name in LEARNT}
    Journal(copy).append([Changes(put=(NEW,), delete=(gone,))])
    ended = home.limbeck("--json", "index", TINY, "--workspace", copy, "--keep-models")
    assert ended.code == 0, ended.err
    kept = {event["name"]: event["why"] for event in ended.events if event["event"] == "keep"}
    assert set(kept) == {"signals/searchsage", "signals/pinsage", "signals/interests"}
    assert all("changed" in why for why in kept.values())
    assert {name: ws.manifest(name) for name in LEARNT} == learnt
    assert not LEARNT & set(ended.made)
    assert "soft_labels" not in ended.made
    after = vectors(ws)
    assert {pin: vector for pin, vector in after.items() if pin != NEW.pin_id} == {
        pin: vector for pin, vector in before.items() if pin != gone
    }
    found = {pin.pin_id: pin for pin in Ranker(Store.open(ws)).search("zeppelin", 10, 10)}
    assert sum(found[NEW.pin_id].probabilities) == pytest.approx(1, abs=1e-3)
    assert gone not in found


def test_what_was_refreshed_is_learnt_from_by_the_next_run(home, copy):
    Journal(copy).append([Changes(put=(NEW,))])
    refreshed = home.limbeck("--json", "index", TINY, "--workspace", copy, "--keep-models")
    assert refreshed.code == 0, refreshed.err
    again = home.limbeck("--json", "index", TINY, "--workspace", copy, "--keep-models")
    assert again.made == {}
    assert "signals/searchsage" in home.run(copy).made


def test_without_a_student_there_is_nothing_to_keep(home, tmp_path):
    ended = home.limbeck("index", TINY, "--workspace", tmp_path / "none", "--keep-models")
    assert ended.code == 2
    assert "holds no student to keep" in ended.err
    assert "limbeck run" in ended.err
    assert not (tmp_path / "none").exists()


def test_it_stays_what_it_was_where_nothing_changed(home, copy, finished):
    ended = home.limbeck("--json", "index", TINY, "--workspace", copy, "--keep-models")
    assert ended.code == 0, ended.err
    assert ended.made == {}
    assert tiny_run.contents(copy) == finished.contents
