"""The command line: what it says, where it says it, and with which exit code."""

import subprocess
import sys

import pytest
from tiny_run import TINY, Home

from limbeck import __version__, ending
from limbeck.recipe_file import read
from limbeck.workspace import Workspace

COMMANDS = [
    "init",
    "check",
    "run",
    "demo",
    "caption",
    "enrich",
    "teach",
    "label",
    "distill",
    "index",
    "evaluate",
    "report",
    "reproduce",
    "serve",
    "rate",
    "embeddings",
    "similar",
]
GRADERS = ["text match", "cosine", "SearchSAGE", "teacher", "student", "student-human"]


@pytest.fixture
def empty(tmp_path) -> Home:
    """A folder with nothing in it, to run commands from."""
    (tmp_path / "empty").mkdir()
    return Home(tmp_path / "empty")


def test_help_is_a_table_of_contents(empty):
    ended = empty.limbeck("--help")
    assert ended.code == 0
    assert [
        line.split()[1] for line in ended.out.splitlines() if line.startswith("│ ") and line[2].isalpha()
    ] == COMMANDS


def test_help_needs_none_of_the_heavy_libraries(tmp_path):
    call = [sys.executable, "-X", "importtime", "-m", "limbeck.cli", "--help"]
    said = subprocess.run(call, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in said.stderr.splitlines()}
    assert "typer" in imported
    assert not imported & {"torch", "transformers", "pyarrow", "numpy", "daft", "numba", "faiss", "tantivy", "sklearn"}


def test_version(empty):
    assert empty.limbeck("--version").out == f"limbeck {__version__}\n"


def test_without_arguments_it_helps(empty):
    ended = empty.limbeck()
    assert ended.code == 2
    assert "Usage" in ended.out
    assert "Traceback" not in ended.err


MISTAKES = {
    "unknown command": (["rnu"], "'rnu'"),
    "unknown option": (["run", "--fast", "recipe.toml"], "--fast"),
    "no recipe": (["run"], "'RECIPE'"),
    "recipe that is not there": (["run", "nowhere.toml"], "nowhere.toml: no such recipe"),
    "recipe that is a folder": (["run", "."], ".: a folder, not a recipe"),
    "not TOML": (["run", "broken.toml"], "broken.toml: not a TOML file"),
    "unknown key": (["run", "misspelt.toml"], "unknown key 'student.epoch'; did you mean 'epochs'?"),
    "world too small": (["run", "small.toml"], "world.pins is 3. The least is 100"),
    "backbone that is not there": (["run", "nothing.toml"], "no model folder './nothing'"),
    "file that is not there": (["run", "mapped.toml"], "nowhere.csv"),
    "nothing to serve": (["serve"], "nothing to serve"),
    "table that is not in the paper": (["reproduce", "world.toml", "--table", "6"], "there is no table 6"),
    "nothing made to serve": (["serve", "--workspace", "nowhere"], "nowhere"),
}
RECIPES = {
    "world": "[world]",
    "broken": "name = ",
    "misspelt": "[world]\n[student]\nepoch = 3",
    "small": "[world]\npins = 3",
    "nothing": '[world]\n[teacher]\nbackbone = "./nothing"',
    "mapped": '[[tables.pins]]\nfiles = ["nowhere.csv"]\ncolumns = { pin_id = "id" }',
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_clear_line_and_nothing_is_written(empty, mistake):
    for name, text in RECIPES.items():
        (empty.folder / f"{name}.toml").write_text(text, encoding="utf-8")
    before = {p.name for p in empty.folder.iterdir()}
    arguments, wanted = MISTAKES[mistake]
    ended = empty.limbeck(*arguments)
    assert ended.code == 2
    assert ended.out == ""
    (line,) = ended.err.splitlines()
    assert line.startswith("limbeck: ")
    assert wanted in line
    assert {p.name for p in empty.folder.iterdir()} - {".logs"} == before


def test_init_writes_a_recipe_that_can_be_read_and_never_overwrites(empty):
    assert empty.limbeck("init").code == 0
    path = empty.folder / "recipe.toml"
    assert "pins" in read(path).tables
    before = path.read_bytes()
    ended = empty.limbeck("init")
    assert ended.code == 2
    assert ended.err == "limbeck: recipe.toml: there is a file already. Choose another name\n"
    assert path.read_bytes() == before


def test_check_writes_nothing(home, finished):
    before = set(home.folder.iterdir())
    ended = home.limbeck("check", TINY)
    assert ended.code == 0, ended.err
    assert "160" in ended.out + ended.err
    assert set(home.folder.iterdir()) == before


def test_quiet_says_nothing_when_all_is_well(twin):
    assert (twin.ended.code, twin.ended.out, twin.ended.err) == (0, "", "")


def test_json_is_nothing_but_lines_of_json(finished):
    assert finished.ended.err == ""
    assert {"stage", "make", "progress", "done", "report"} <= {event["event"] for event in finished.ended.events}
    assert all(isinstance(event["time"], float) for event in finished.ended.events)


def test_people_are_told_what_is_done_and_where_the_report_is(home, copy):
    ended = home.limbeck("run", TINY, "--workspace", copy)
    assert ended.code == 0
    assert ended.out == ""
    said = ended.err.replace("\n", "")
    assert "impressions: up to date" in said
    assert f"Report: {copy / 'report.html'}" in said
    assert f"limbeck serve --workspace {copy}" in said


@pytest.mark.parametrize(
    ("called", "on_path", "again"),
    [
        ("bin/limbeck", True, "limbeck"),
        ("bin/limbeck", False, "bin/limbeck"),
        ("limbeck/__main__.py", True, "python -m limbeck"),
    ],
)
def test_what_is_told_to_be_typed_can_be_typed(called, on_path, again, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "limbeck").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin") if on_path else str(tmp_path))
    monkeypatch.setattr(sys, "argv", [called])
    assert ending.program() == again


def test_evaluate_prints_the_graders_side_by_side(home, copy):
    ended = home.limbeck("evaluate", TINY, "--workspace", copy)
    assert ended.code == 0
    rows = [line for line in ended.err.splitlines() if any(char.isdigit() for char in line)]
    for grader in GRADERS:
        assert any(grader in row for row in rows), grader


def test_a_command_goes_no_further_than_its_stage(home, tmp_path):
    root = tmp_path / "ws"
    ended = home.limbeck("--json", "enrich", TINY, "--workspace", root)
    assert ended.code == 0
    assert [event["stage"] for event in ended.events if event["event"] == "done"] == ["source", "enrich"]
    assert Workspace(root).has("composed")
    assert not Workspace(root).has("models/teacher")
    again = home.limbeck("--json", "enrich", TINY, "--workspace", root)
    assert again.made == {}


DEAF = """
import sys, time
from limbeck import cli

class Deaf:
    def __del__(self):
        raise KeyboardInterrupt

@cli.app.command()
def wait():
    Deaf()
    time.sleep(60)

sys.argv = ["limbeck", "wait"]
cli.console()
"""


def test_ctrl_c_is_heard_even_where_python_drops_it():
    ended = subprocess.run([sys.executable, "-c", DEAF], capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 130
    assert ended.stderr == "limbeck: Interrupted. What was finished is kept; the same command goes on from there.\n"


LEAVES = """
import atexit, sys
from limbeck import cli

class Lasting:
    def __del__(self):
        print("taken apart")

sys.lasting = Lasting()
atexit.register(print, "asked to be called")
sys.argv = ["limbeck", *sys.argv[1:]]
cli.console()
"""


@pytest.mark.parametrize(("arguments", "code"), [(["--version"], 0), (["rnu"], 2)])
def test_it_leaves_promptly_with_its_code_and_all_that_was_said(arguments, code):
    ended = subprocess.run([sys.executable, "-c", LEAVES, *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == code
    assert "asked to be called" in ended.stdout
    assert __version__ in ended.stdout or "'rnu'" in ended.stderr
    assert "taken apart" not in ended.stdout
