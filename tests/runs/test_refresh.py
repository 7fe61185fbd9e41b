"""The index of today's tables by yesterday's models: nothing is learnt, and only what is new is read."""

import signal

import numpy as np
import pytest
import tiny_run
from tiny_run import TINY

from limbeck.index.store import Store
from limbeck.live.journal import Changes, Journal
from limbeck.records import Pin
from limbeck.serve.ranker import Ranker
from limbeck.signals import joined, pinsage, sage
from limbeck.workspace import Workspace

NEW = Pin("new-1", "zeppelin for the living room", "a toy", None, None, "en", None, None)
LEARNT = {"models/teacher", "models/student", "models/student-human", "models/student-30"}
LEARNT |= {"signals/searchsage", "signals/pinsage", "signals/interests"}
RENEWED = {"signals/searchsage": sage.WEIGHTS, "signals/pinsage": pinsage.WEIGHTS}  # vectors of Pins, and by what


def vectors(ws):
    rows = ws.table("pin_vectors")
    return dict(zip(rows.column("pin_id").to_pylist(), rows.column("vector").to_pylist()))


def test_a_new_pin_is_indexed_by_the_models_as_they_are(home, copy):
    ws = Workspace(copy)
    gone = ws.table("pins", ["pin_id"]).column("pin_id")[0].as_py()
    before, learnt = vectors(ws), {name: ws.manifest(name) for name in LEARNT}
    trained = {name: (ws.folder(name) / weights).read_bytes() for name, weights in RENEWED.items()}
    Journal(copy).append([Changes(put=(NEW,), delete=(gone,))])
    ended = home.limbeck("--json", "index", TINY, "--workspace", copy, "--keep-models")
    assert ended.code == 0, ended.err
    kept = {event["name"]: event["why"] for event in ended.events if event["event"] == "keep"}
    assert set(kept) == {"signals/interests"}
    assert {name: ws.manifest(name) for name in LEARNT - RENEWED.keys()} == {
        name: manifest for name, manifest in learnt.items() if name not in RENEWED
    }
    assert LEARNT & set(ended.made) == RENEWED.keys()
    assert "soft_labels" not in ended.made
    for name, weights in RENEWED.items():
        assert (ws.folder(name) / weights).read_bytes() == trained[name]
        assert joined.trained(ws, name) == learnt[name].digest
        assert np.isfinite(sage.vectors(ws.folder(name), [NEW.pin_id])).all()
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
    run = home.start("--json", "run", TINY, "--workspace", copy)
    assert run.reaches(["models/student"])  # which is enough: what it makes of it is as of any change
    made = run.signal(signal.SIGKILL).made
    assert made["signals/searchsage"].endswith("as it was trained is no longer used")
    assert "signals/pinsage" in made
    ws = Workspace(copy)
    assert joined.trained(ws, "signals/searchsage") == ws.digest("signals/searchsage")


def test_a_student_that_was_trained_otherwise_is_not_kept(home, copy):
    before = tiny_run.finished_files(copy)
    recipe = home.write("otherwise", student={"vector_size": 8})
    ended = home.limbeck("index", recipe, "--workspace", copy, "--keep-models")
    assert ended.code == 2
    assert "trained otherwise: student.vector_size was 16, is 8" in ended.err
    assert tiny_run.finished_files(copy) == before


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


@pytest.mark.long
def test_a_backbone_that_was_tuned_reads_what_is_new_and_the_untuned_one_stays_beside_the_signals(home, tmp_path):
    recipe, ws = home.write("tuned", student={"tune": "all"}), Workspace(tmp_path / "tuned")
    home.run(ws.root, recipe)
    before = {name: (ws.folder(name) / "tower" / "model.safetensors").read_bytes() for name in RENEWED}
    Journal(ws.root).append([Changes(put=(NEW,))])
    ended = home.limbeck("--json", "index", recipe, "--workspace", ws.root, "--keep-models")
    assert ended.code == 0, ended.err
    assert {name: (ws.folder(name) / "tower" / "model.safetensors").read_bytes() for name in RENEWED} == before
    found = {pin.pin_id for pin in Ranker(Store.open(ws)).search("zeppelin", 10, 10)}
    assert NEW.pin_id in found
