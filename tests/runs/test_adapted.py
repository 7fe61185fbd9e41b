"""Whole runs in which the backbone is adapted to the catalogue first: what depends on it, and what does not."""

import pytest
import tiny_run

from limbeck.workspace import Workspace

TABLE = {"epochs": 1, "max_tokens": 32, "tokens_per_batch": 2_000}


@pytest.fixture
def run(home, copy, request):
    """Runs the tiny recipe up to a stage, in a copy of the finished workspace."""
    recipe = home.folder / "recipes" / f"{request.node.name[:40]}.toml"

    def begin(stage="teach", adapt=None, **changes):
        table = {} if adapt is None else {"adapt": adapt}
        recipe.write_text(tiny_run.toml(tiny_run.changed(**changes) | table), encoding="utf-8")
        return home.limbeck("--json", stage, recipe, "--workspace", copy)

    return begin


@pytest.mark.long
def test_a_teacher_is_made_anew_when_its_backbone_or_the_texts_change(run, copy):
    first = run(adapt=TABLE)
    assert first.code == 0, first.err
    assert set(first.made) == {"models/adapted", "models/teacher"}
    assert run(adapt=TABLE).made == {}
    assert run(adapt=TABLE | {"student": True}).made == {}  # which is no matter of the teacher's
    texts = run(adapt=TABLE, text={"max_tokens": 24})
    assert set(texts.made) == {"composed", "models/adapted", "models/teacher"}
    without = run(text={"max_tokens": 24})
    assert set(without.made) == {"models/teacher"}
    assert not Workspace(copy).has("models/adapted")


@pytest.mark.long
def test_without_adaptation_the_student_stays_as_it_was(run):
    ended = run("distill", TABLE)
    assert ended.code == 0, ended.err
    assert set(ended.made) >= {"models/adapted", "models/teacher", "soft_labels", "models/student"}
    assert "encoder_vectors" not in ended.made
    again = run("distill", TABLE | {"student": True})
    students = {"models/student", "models/student-30", "models/student-human"}
    signals = {"signals/searchsage", "signals/pinsage", "signals/interests"}
    assert set(again.made) == {"encoder_vectors", *signals, *students}


def test_a_student_on_another_backbone_cannot_begin_from_it(run):
    ended = run(adapt=TABLE | {"student": True}, student={"backbone": "all-MiniLM-L6-v2"})
    assert (ended.code, ended.out) == (2, "")
    assert "adapt.student is true, but the student's backbone is not the teacher's, backbone" in ended.err
    assert len(ended.err.splitlines()) == 1
