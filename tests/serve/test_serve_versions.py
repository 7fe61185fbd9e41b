"""A newer version takes over while requests come in; a bad one never does."""

import dataclasses
import gc
import shutil
import threading
import weakref

import numpy as np
import pytest
from served import lay

from limbeck.errors import InputError, WorkspaceError
from limbeck.index import alignment
from limbeck.index.store import Store
from limbeck.serve import running
from limbeck.serve.cache import Caches
from limbeck.serve.ranker import Ranker
from limbeck.serve.versions import PARTS, Versions
from limbeck.serve.workers import Worker
from limbeck.settings import Serve
from limbeck.workspace import Workspace

PINS = [f"pin{i:02d}" for i in range(20)]


@pytest.fixture
def copy(workspace, tmp_path):
    shutil.copytree(workspace.root, tmp_path / "copy")
    return Workspace(tmp_path / "copy")


@pytest.fixture
def versions(copy):
    return Versions(copy, lambda ws: Ranker(Store.open(ws)))


def damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()  # what is memory-mapped stays as it was
    path.write_bytes(data)


def answers(ranker):
    return ranker.grade("red sofa", PINS).tolist()


def test_nothing_new_is_nothing_to_do(versions):
    before = versions.ranker
    assert versions.look() is None
    assert versions.ranker is before


def test_a_new_student_takes_over_with_its_own_vectors(versions, copy, another):
    before = answers(versions.ranker)
    lay(copy, another)
    assert versions.look() == "taken"
    assert answers(versions.ranker) == answers(Ranker(Store.open(copy))) != before
    assert versions.ranker.model == Store.open(copy).model
    assert versions.look() is None


def test_a_version_that_was_replaced_is_let_go_of_without_waiting_for_the_collector(versions):
    ranker = versions.ranker
    ranker.search("red soffa", 10, 40)
    store = ranker.store
    parts = (
        ranker,
        store,
        store.student,
        store.signals,
        store.lexical,
        store.catalogue,
        store.texts,
        store.understanding,
    )
    gone = [weakref.ref(part) for part in parts]
    del ranker, store, parts
    gc.collect()
    gc.disable()
    try:
        versions._seen = ()  # as if a run had left it
        assert versions.look() == "taken"
        assert [part() for part in gone] == [None] * len(gone)
    finally:
        gc.enable()


def test_a_student_whose_vectors_are_not_there_yet_has_to_wait(versions, copy, another):
    before = versions.ranker
    lay(copy, another, ["models/student"])
    assert versions.look() == "refused"
    assert "another student" in versions.refused
    assert versions.ranker is before
    assert versions.look() is None
    lay(copy, another)
    assert versions.look() == "taken"
    assert versions.refused is None


def test_a_part_that_is_made_anew_and_stays_the_same_ends_the_waiting(versions, copy, another):
    same = copy.digest(alignment.NAME)
    lay(copy, another, [name for name in PARTS if name != alignment.NAME])  # as a run leaves it before this part
    assert versions.look() == "refused"
    assert "index/alignment was made of another index/catalogue" in versions.refused
    lay(copy, another)
    assert copy.digest(alignment.NAME) == same
    assert versions.look() == "taken"


@pytest.mark.parametrize(
    ("name", "file"),
    [("models/student", "head.safetensors"), ("models/student", "tower/model.safetensors"), ("pin_vectors", None)],
)
def test_a_damaged_version_is_refused_and_the_old_one_still_answers(versions, copy, another, name, file):
    before = answers(versions.ranker)
    lay(copy, another)
    damage(copy.folder(name) / file if file else copy.shards(name)[0])
    assert versions.look() == "refused"
    assert "damaged" in versions.refused
    assert answers(versions.ranker) == before


def test_what_was_damaged_before_the_start_is_told_until_a_whole_version_is_there(copy, another):
    path = copy.folder("index/shares") / "numbers.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))  # no reader would notice
    versions = Versions(copy, lambda ws: Ranker(Store.open(ws)))
    assert versions.damaged is None
    assert versions.check() == "damaged"
    assert f"{path}: damaged" in versions.damaged
    lay(copy, another)
    assert versions.look() == "taken"
    assert versions.damaged is None
    assert versions.check() is None


def test_each_outcome_is_heard_with_its_own_reason(copy, another):
    path = copy.folder("index/shares") / "numbers.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    versions, heard, told = Versions(copy, lambda ws: Ranker(Store.open(ws))), [], threading.Semaphore(0)

    def hear(*said):
        heard.append(said)
        told.release()

    stop = versions.watch(0.05, hear)
    try:
        assert told.acquire(timeout=60)
        path.write_bytes(whole)
        lay(copy, another, ["models/student"])  # without its vectors
        assert told.acquire(timeout=60)
    finally:
        stop()
    assert [outcome for outcome, _ in heard[:2]] == ["damaged", "refused"]
    assert "numbers.npy" in heard[0][1]
    assert "numbers.npy" not in heard[1][1]


def test_a_worker_that_begins_again_begins_with_no_damaged_version(copy):
    damage(copy.folder("models/student") / "head.safetensors")
    again = Worker(0, copy.root, 0, again=True)
    with pytest.raises(WorkspaceError, match="damaged"):
        running._load(copy, Serve(), None, (), lambda app, versions: None, again)


def test_a_workspace_that_cannot_serve_is_refused_at_the_start(tmp_path):
    with pytest.raises(InputError, match="limbeck run"):
        Versions(Workspace(tmp_path), lambda ws: Ranker(Store.open(ws)))


class Blind:
    """A student that can grade, but reads nothing."""

    tokens = None

    def __init__(self, student):
        self.probabilities, self.scorer = student.probabilities, student.scorer

    def vectors(self, texts):
        return np.full((len(texts), 16), np.nan, np.float32)


class Knowing:
    """A cache that has vectors of all queries."""

    def __init__(self, size):
        self.size = size

    def get_many(self, texts):
        return {text: np.zeros(self.size, np.float32) for text in texts}


def test_a_student_that_cannot_read_is_refused_even_where_a_cache_knows_the_query(workspace, store):
    blind = dataclasses.replace(store, student=Blind(store.student))
    with pytest.raises(WorkspaceError, match="no probabilities"):
        Versions(workspace, lambda ws: Ranker(blind, caches=Caches(shared=lambda of, tokens: Knowing(16))))


def test_what_is_new_is_found_by_the_watch(versions, copy, another):
    heard, told = [], threading.Event()

    def hear(*said):
        heard.append(said)
        told.set()

    stop = versions.watch(0.05, hear)
    try:
        lay(copy, another)
        while not heard or heard[-1][0] != "taken":  # it may have looked between the student and its vectors
            assert told.wait(600)
            told.clear()
    finally:
        stop()
    assert heard[-1] == ("taken", Store.open(copy).model)
