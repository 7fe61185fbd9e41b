"""Two runs compared by `limbeck report RECIPE OTHER`."""

import json
import shutil

import pyarrow as pa
import pytest
from tiny_run import TINY, changed, toml

from limbeck import comparing
from limbeck.errors import InputError
from limbeck.recipe_file import read
from limbeck.workspace import Workspace


@pytest.fixture
def recipe(home):
    return read(home.folder / TINY)


def swapped(copy, one, other):
    """What one grader answered is taken for the other's."""
    path = Workspace(copy).folder("evaluation/grades") / "graders.json"
    files = json.loads(path.read_text(encoding="utf-8"))
    files[one], files[other] = files[other], files[one]
    path.write_text(json.dumps(files), encoding="utf-8")


def test_a_run_against_itself_differs_in_nothing(recipe, copy, finished):
    found = comparing.compare(recipe, Workspace(copy), Workspace(finished.root), "before")
    assert found.baseline == "student (before)"
    assert found.grader("student").metrics == found.grader("student (before)").metrics
    assert {c.difference.value for c in found.grader("student").against_baseline.values()} <= {0.0, None}
    page = (copy / "comparison.html").read_text(encoding="utf-8")
    assert "tiny against before" in page


def test_the_better_run_is_told_from_the_other(recipe, copy, finished):
    swapped(copy, "student", "text match")
    found = comparing.compare(recipe, Workspace(finished.root), Workspace(copy), "before")
    (finished.root / "comparison.html").unlink()
    assert found.grader("student (before)").metrics == found.grader("text match").metrics
    assert found.grader("student").metrics == found.grader("text match (before)").metrics


def test_the_command_writes_the_page_and_tells_what_was_set_otherwise(home, copy, finished):
    text = f'workspace = "{finished.root}"\n{toml(changed(measure={"bootstrap": 60}))}'
    (home.folder / "recipes" / "other.toml").write_text(text, encoding="utf-8")
    ended = home.limbeck("--json", "report", TINY, "recipes/other.toml", "--workspace", copy)
    assert ended.code == 0, ended.err
    assert ended.events[-1]["comparison"] == str(copy / "comparison.html")
    page = (copy / "comparison.html").read_text(encoding="utf-8")
    assert "measure.bootstrap" in page
    assert "60 → 50" in page


def test_another_that_was_never_evaluated_is_refused(home, copy, recipe, tmp_path):
    with pytest.raises(InputError, match="nothing was evaluated there yet"):
        comparing.compare(recipe, Workspace(copy), Workspace(tmp_path), "nothing")
    ended = home.limbeck("report", TINY, "nowhere.toml", "--workspace", copy)
    assert (ended.code, ended.err) == (
        2,
        "limbeck: nowhere.toml: no such recipe. `limbeck init` writes one to start from\n",
    )


def test_runs_on_other_pairs_cannot_be_compared(recipe, copy, tmp_path):
    other = Workspace(shutil.copytree(copy, tmp_path / "other"))
    rows, made = other.table("heldout"), other.manifest("heldout").made
    place = rows.column_names.index("query")
    one = rows.slice(0, 1).set_column(place, rows.schema.field(place), pa.array(["never asked here"]))
    other.remove("heldout")
    other.write_table("heldout", made, {"00000": lambda: one})
    with pytest.raises(InputError, match="no held-out pair"):
        comparing.compare(recipe, Workspace(copy), other, "other")
