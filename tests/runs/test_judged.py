"""Whole runs with a judge: measured beside the others, and never at their cost."""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tiny_run
from starlette.responses import Response

from limbeck import lineup
from limbeck.workspace import Workspace

sys.path.append(str(Path(__file__).parents[1] / "judge"))
from endpoint import Endpoint, well

OTHERS = {"text match", "cosine", "SearchSAGE", "teacher", "student", "student-human"}


@pytest.fixture
def endpoint():
    with Endpoint() as running:
        yield running


@pytest.fixture
def run(home, copy, endpoint, request):
    """Runs the tiny recipe with a judge, in a copy of the finished workspace."""

    def begin(command="run", **settings):
        judge = {"endpoint": endpoint.url, "model": "judge", "first_wait_seconds": 0.001, **settings}
        path = home.folder / "recipes" / f"{request.node.name[:40]}.toml"
        path.write_text(tiny_run.toml(tiny_run.changed() | {"judge": judge}), encoding="utf-8")
        return home.limbeck("--json", command, path, *(() if command == "check" else ("--workspace", copy)))

    return begin


def measured(root):
    return {g.name for g in lineup.evaluation(Workspace(root)).graders}


def test_a_judge_stands_beside_the_others(run, copy, endpoint, finished):
    ended = run()
    assert ended.code == 0, ended.err
    wanted = {"evaluation/judge", "evaluation/judge_attacked", "evaluation/measures", "report/page"}
    assert set(ended.made) == wanted
    assert measured(copy) == OTHERS | {"judge"}
    assert set(endpoint.pairs().values()) == {1}
    page = (copy / "report.html").read_text(encoding="utf-8")
    assert "Pins that try to look relevant" in page
    assert any(e["event"] == "judge" and e["pairs"] > 0 for e in ended.events)
    asked = len(endpoint.asked)
    again = run(concurrency=2, most_dollars=9.0, dollars_per_million_input=1.0)
    assert (again.code, again.made) == (0, {})
    other = run(temperature=0.5)
    assert set(other.made) == {"evaluation/judge", "evaluation/judge_attacked"}  # asked again, answered the same
    assert len(endpoint.asked) == 2 * asked


@pytest.mark.long
def test_a_budget_stops_the_judge_alone_and_a_higher_one_goes_on(run, copy, endpoint):
    ended = run(most_calls=9)
    assert ended.code == 1
    assert "9 calls are made, and judge.most_calls is 9. 9 of " in ended.err
    assert len(ended.err.splitlines()) == 1
    assert measured(copy) == OTHERS
    assert "judge.most_calls" in (copy / "report.html").read_text(encoding="utf-8")
    assert not Workspace(copy).has("evaluation/judge")
    assert run().code == 0
    assert measured(copy) == OTHERS | {"judge"}
    assert set(endpoint.pairs().values()) == {1}
    assert "judge.most_calls" not in (copy / "report.html").read_text(encoding="utf-8")


@pytest.mark.long
def test_an_endpoint_that_is_down_costs_the_others_nothing(run, copy, endpoint, finished):
    endpoint.behave = lambda asked: Response(status_code=500)
    ended = run("evaluate", retries=0)
    assert ended.code == 1
    assert "in a row had no answer" in ended.err
    assert measured(copy) == OTHERS
    for name in ("evaluation/grades", "evaluation/attacked"):
        assert Workspace(copy).digest(name) == Workspace(finished.root).digest(name)
    endpoint.behave = well
    assert run("evaluate").code == 0


def test_a_missing_key_is_refused_before_anything_is_written(run, copy, monkeypatch):
    before = tiny_run.finished_files(copy)
    ended = run(key_variable="NO_SUCH_KEY_HERE")
    assert ended.code == 2
    assert ended.err == "limbeck: the judge's API key is missing: the variable NO_SUCH_KEY_HERE is not set\n"
    assert tiny_run.finished_files(copy) == before


def test_check_says_what_a_judge_will_cost(run):
    ended = run("check", dollars_per_million_input=1.0)
    assert ended.code == 0, ended.err
    said = json.loads(ended.out.splitlines()[-1])
    assert said["event"] == "judge"
    assert "100 held-out pairs" in said["cost"]
    assert "$" in said["cost"]


def test_untouched_pins_are_graded_as_the_held_out_ones(finished):
    ws = Workspace(finished.root)
    asked = pq.read_table(ws.folder("evaluation/attacked") / "asked.parquet")
    untouched = np.asarray([not k for k in asked.column("kind").to_pylist()])
    assert 0 < untouched.sum() <= 30
    grades, attacked = lineup.grades(ws), lineup.grades(ws, "attacked")
    assert attacked.keys() == OTHERS
    for name, distribution in attacked.items():
        known = {tuple(np.round(row, 3)) for row in grades[name]}
        near = [min(np.abs(row - np.asarray(k)).max() for k in known) for row in distribution[untouched]]
        assert max(near) < 0.02, name  # other batches, other roundings
    changed = attacked["text match"][~untouched]
    assert len({tuple(row) for row in changed}) > 1


def test_every_grader_has_a_flip_rate_for_every_kind(finished):
    found = json.loads((Workspace(finished.root).folder("evaluation/measures") / "attacks.json").read_bytes())
    kinds = {f["kind"] for f in found}
    assert {"harmless", "all attacks", "instruction", "query repeated"} <= kinds
    assert {(f["grader"], f["kind"]) for f in found} == {(g, k) for g in OTHERS for k in kinds}
