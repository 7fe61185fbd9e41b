"""What a run says, in each of its three ways."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from rich.table import Table

from limbeck import progress


@pytest.fixture(autouse=True)
def _as_it_was():
    before = progress.mode()
    yield
    progress.choose(before)


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes only when it is told to."""
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now.seconds, time=lambda: 1.7e9))
    return now


def console(monkeypatch, terminal):
    screen = Console(file=io.StringIO(), force_terminal=terminal, width=100, highlight=False)
    monkeypatch.setattr(progress, "console", screen)
    return screen.file


def lines(capsys):
    said = capsys.readouterr()
    assert said.err == ""
    return [json.loads(line) for line in said.out.splitlines()]


def work(total=400, step=100):
    with progress.track("soft_labels", total, "pairs") as advance:
        for _ in range(total // step):
            advance(step)


def test_json_lines_tell_events_with_their_details(capsys, clock):
    progress.choose("json")
    progress.say("make", "[bold]pins[/]: not made yet", name="pins", where=Path("a/b"))
    progress.show(Table("for people"))
    assert lines(capsys) == [{"time": 1.7e9, "event": "make", "name": "pins", "where": "a/b"}]


def test_json_progress_has_a_rate_and_the_time_left(capsys, clock):
    progress.choose("json")
    with progress.track("soft_labels", 400, "pairs") as advance:
        clock.seconds += 2
        advance(100)
        clock.seconds += 0.5
        advance(100)  # within a second of the last line: not said
        clock.seconds += 1.5
        advance(100)
        advance(100)  # the last one always is
    told = [{k: v for k, v in line.items() if k not in ("time", "event")} for line in lines(capsys)]
    same = {"what": "soft_labels", "total": 400, "unit": "pairs"}
    assert told == [
        {**same, "done": 100, "per_second": 50.0, "seconds_left": 6.0},
        {**same, "done": 300, "per_second": 75.0, "seconds_left": 1.3},
        {**same, "done": 400, "per_second": 100.0, "seconds_left": 0.0},
    ]


def test_json_progress_before_any_time_has_passed_or_anything_is_done(capsys, clock):
    progress.choose("json")
    work(total=1, step=1)
    with progress.track("pins", 5, "shards") as advance:
        clock.seconds += 3
        advance(0)
    first, second = lines(capsys)
    assert (first["done"], first["seconds_left"]) == (1, 0.0)
    assert (second["per_second"], second["seconds_left"]) == (0.0, None)


def test_quiet_says_nothing(capsys, monkeypatch):
    screen = console(monkeypatch, terminal=True)
    progress.choose("quiet")
    progress.say("make", "pins", name="pins")
    progress.show(Table("for people"))
    work()
    said = capsys.readouterr()
    assert (said.out, said.err, screen.getvalue()) == ("", "", "")


@pytest.mark.parametrize("terminal", [False, True])
def test_people_read_messages_and_tables_on_stderr(capsys, monkeypatch, terminal):
    screen = console(monkeypatch, terminal)
    progress.choose("rich")
    progress.say("make", "[bold]pins[/]: not made yet", secret="for machines")
    progress.show(Table("grader"))
    assert "pins" in screen.getvalue()
    assert "not made yet" in screen.getvalue()
    assert "grader" in screen.getvalue()
    assert "machines" not in screen.getvalue()
    assert capsys.readouterr().out == ""


def test_the_console_is_stderr(capsys):
    progress.choose("rich")
    progress.say("make", "hello")
    work()
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("hello\n")


def test_a_bar_shows_how_far_and_how_fast(monkeypatch):
    screen = console(monkeypatch, terminal=True)
    progress.choose("rich")
    work()
    assert "soft_labels" in screen.getvalue()
    assert "400/400" in screen.getvalue()
    assert "pairs/s" in screen.getvalue()


@pytest.mark.parametrize("mode", ["rich", "quiet", "json"])
def test_an_error_inside_comes_out_as_it_is(monkeypatch, mode):
    screen = console(monkeypatch, terminal=True)
    progress.choose(mode)
    with pytest.raises(KeyError, match="inside"), progress.track("pins", 2, "shards"):
        raise KeyError("inside")
    progress.say("made", "still here")
    assert ("still here" in screen.getvalue()) == (mode == "rich")


@pytest.mark.parametrize("mode", ["rich", "quiet", "json"])
def test_over_nothing_to_do_nothing_is_said(monkeypatch, capsys, mode):
    screen = console(monkeypatch, terminal=False)
    progress.choose(mode)
    work(total=0)
    assert screen.getvalue() == ""
    assert lines(capsys) == []


def test_times_are_said_as_people_say_them():
    said = [progress.duration(seconds) for seconds in (0.2, 89, 90, 5399, 5400, 4e6)]
    assert said == ["0 s", "89 s", "2 min", "90 min", "1.5 h", "1,111.1 h"]
