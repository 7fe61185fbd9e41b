"""From a desk into a run, and the command that opens one."""

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import small_workspace as small
from small_workspace import PINS, TEST, TRAIN

import limbeck
from limbeck import cli, progress, rating
from limbeck.errors import InputError
from limbeck.rate.queues import Candidate
from limbeck.rate.store import ADMIN, Event, writing
from limbeck.workspace import Workspace

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def say(recipe, rater, *levels, test=False):
    """Rate the first Pins of a query at the recipe's desk."""
    with writing(rating.database(recipe)) as store:
        store.invite([ADMIN, rater])
        pairs = [Candidate((TEST if test else TRAIN)[0], pin).queued("file", test) for pin in PINS[: len(levels)]]
        store.add(pairs)
        events = [
            Event(f"event-{rater}-{i}-{lv}-{test}", p.pair, "rate", lv) for i, (p, lv) in enumerate(zip(pairs, levels))
        ]
        store.append(rater, events, NOW)


def found(tables, name):
    return {(r["query"], r["pin_id"], r["rater_id"]): r["level"] for r in tables[name].to_pylist()}


def test_without_a_desk_nothing_is_added(tmp_path):
    recipe, _ = small.make(tmp_path)
    assert rating.rated(recipe, heldout=True) == {}


def test_judgments_of_test_pairs_go_where_is_measured(tmp_path):
    recipe, _ = small.make(tmp_path)
    say(recipe, "ana", 5, 4)
    say(recipe, "ana", 2, test=True)
    learnt = {(TRAIN[0], "pin0", "ana"): 5, (TRAIN[0], "pin1", "ana"): 4}
    measured = {(TEST[0], "pin0", "ana"): 2}
    apart = rating.rated(recipe, heldout=True)
    assert (found(apart, "judgments"), found(apart, "heldout")) == (learnt, measured)
    together = rating.rated(recipe, heldout=False)
    assert found(together, "judgments") == learnt | measured
    assert "heldout" not in together


def test_a_run_picks_up_what_was_said_and_only_when_it_changed(tmp_path):
    from limbeck import pipeline  # it brings torch

    recipe, _ = small.make(tmp_path)
    ws = Workspace(tmp_path / "run")
    say(recipe, "ana", 5, 4)
    pipeline.run(recipe, ws, "source")
    assert found({"judgments": ws.table("judgments")}, "judgments").keys() == {
        (TRAIN[0], "pin0", "ana"), (TRAIN[0], "pin1", "ana")
    }  # fmt: skip
    before = ws.digest("judgments")
    pipeline.run(recipe, ws, "source")
    assert ws.digest("judgments") == before
    say(recipe, "ben", 1)
    pipeline.run(recipe, ws, "source")
    assert ws.table("judgments").num_rows == 3
    rating.database(recipe).unlink()
    pipeline.run(recipe, ws, "source")
    assert not ws.has("judgments")


@pytest.mark.parametrize("raters", [["a b"], [ADMIN], ["x" * 65], [""], []])
def test_a_desk_needs_raters_with_proper_names(tmp_path, raters):
    recipe, ws = small.make(tmp_path)
    with pytest.raises(InputError):
        rating.serve(recipe, ws, raters, [], test=False)


def limbeck_(folder, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(Path(limbeck.__file__).parents[1])}
    command = [sys.executable, "-m", "limbeck", "--json", *arguments]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def here(tmp_path, monkeypatch, capsys):
    """The same command in this process, which has imported all of it: its exit code and its errors."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["limbeck", *arguments])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code
        return code, capsys.readouterr().err

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)  # the command sets its own
    yield call
    progress.choose("quiet")


def test_the_command_prints_links_serves_and_exports(tmp_path, here):
    small.make(tmp_path, port=0)
    (tmp_path / "pairs.csv").write_text(f"query,pin_id\n{TRAIN[0]},pin0\n", encoding="utf-8")
    arguments = ["rate", "small.toml", "--workspace", "ws"]
    process = limbeck_(tmp_path, *arguments, "--raters", "ana, ben", "--queue", "pairs.csv")
    said = []
    for line in process.stdout:
        said.append(json.loads(line))
        if said[-1]["event"] == "ready":
            break
    links = {e["person"]: e["link"] for e in said if e["event"] == "link"}
    assert set(links) == {"ana", "ben", ADMIN}
    url, secret = links["ana"].split("/enter#")
    with httpx.Client(base_url=url, timeout=600) as client:
        client.post("/enter", json={"secret": secret}).raise_for_status()
        (pair,) = client.post("/next", json={}).json()["ahead"]
        assert pair["title"] == "A pin0"
        event = {"id": "event-0001", "pair": pair["pair"], "action": "rate", "level": 4}
        client.post("/events", json=[event]).raise_for_status()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=600)
    assert (process.returncode, errors) == (0, "")
    assert here("--quiet", *arguments, "--export", "out") == (0, "")
    assert (tmp_path / "out" / "qrels.txt").read_text() == "1 0 pin0 3\n"
    code, errors = here("--quiet", *arguments, "--queue", "nonsense")
    assert code == 2
    assert errors.startswith("limbeck: no queue 'nonsense'")
