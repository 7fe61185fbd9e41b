"""The other models of a workspace as rankers: they grade as they do offline, and are loaded when asked for."""

import shutil

import numpy as np
import pytest
from sentence_transformers import CrossEncoder
from served import write_student

from limbeck.errors import InputError
from limbeck.index.store import Store
from limbeck.relevance import expected_level
from limbeck.serve.others import Others
from limbeck.serve.ranker import Ranker
from limbeck.settings import Teacher
from limbeck.student.grade import Student
from limbeck.teacher import model
from limbeck.workspace import Made, Workspace

QUERY, PINS = "red sofa", [f"pin{i:02d}" for i in range(5, 15)]


@pytest.fixture(scope="module")
def ws(workspace, tmp_path_factory):
    """The small workspace, with a teacher and one more student."""
    root = tmp_path_factory.mktemp("others")
    ws = Workspace(shutil.copytree(workspace.root, root / "workspace"))
    backbone = workspace.root.parent / "backbone"
    teacher = model.create(Teacher(backbone=str(backbone), max_tokens=48), seed=3)
    ws.write_folder("models/teacher", Made(), lambda out, _: model.save(teacher, out))
    signals = Store.open(ws).signals
    ws.write_folder("models/student-human", Made(), lambda out, _: write_student(out, backbone, signals, seed=9))
    return ws


@pytest.fixture(scope="module")
def ranker(ws):
    store = Store.open(ws)
    return Ranker(store, others=Others(ws, store))


def graded(ranker, name):
    store = ranker._store
    return store, ranker._others.grade(name, QUERY, store, store.rows(PINS))


def test_all_models_of_the_workspace_are_rankers(ranker):
    assert ranker.rankers == ("text match", "nearest vectors", "student", "teacher", "student-human")


def test_the_teacher_grades_as_it_does_for_everybody(ranker, ws):
    _, found = graded(ranker, "teacher")
    texts = dict(zip(*(ws.table("composed").column(c).to_pylist() for c in ("pin_id", "text"))))
    pairs = [(QUERY, texts[pin]) for pin in PINS]
    plain = CrossEncoder(str(ws.folder("models/teacher"))).predict(pairs, apply_softmax=True)
    np.testing.assert_allclose(found, plain, atol=5e-3)


def test_another_student_grades_with_its_own_vectors(ranker, ws):
    store, found = graded(ranker, "student-human")
    student = Student(ws.folder("models/student-human"))
    features = store.signals.features(QUERY, store.match_rows[store.rows(PINS)])
    vectors = student.vectors(store.composed(store.rows(PINS)))
    np.testing.assert_allclose(found, student.probabilities(student.vectors([QUERY]), vectors, features), atol=1e-6)
    assert np.abs(found - ranker.grade(QUERY, PINS)).max() > 0.01


@pytest.mark.parametrize("name", ["teacher", "student-human"])
def test_the_first_are_the_students_candidates_in_that_models_order(ranker, name):
    found = ranker.first(name, QUERY, 10, 500)
    levels = [pin.expected_level for pin in found]
    assert levels == sorted(levels, reverse=True)
    rows = ranker.store.rows([p.pin_id for p in ranker.search(QUERY, 50, 500)])
    everything = ranker._others.grade(name, QUERY, ranker.store, rows)
    assert levels == pytest.approx(sorted(expected_level(everything).tolist(), reverse=True)[:10], abs=5e-3)


def test_a_model_that_is_gone_is_told_apart_from_a_fault(ws, tmp_path):
    copy = Workspace(shutil.copytree(ws.root, tmp_path / "copy"))
    store = Store.open(copy)
    others = Others(copy, store)
    shutil.rmtree(copy.folder("models/teacher"))
    with pytest.raises(InputError, match="teacher is being replaced"):
        others.grade("teacher", QUERY, store, store.rows(PINS))
