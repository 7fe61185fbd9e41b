"""The paper's tables on a tiny run: variants beside it share what is equal, go on after a kill, and end on a page."""

import json
import signal

import msgspec
import pyarrow as pa
import pytest
import tiny_run
from longer import longer

from limbeck.measure.reproduction import Table
from limbeck.recipe_file import read
from limbeck.records import schema
from limbeck.reproduce import tables, variants
from limbeck.settings import KINDS, SOURCES
from limbeck.workspace import Made, Workspace

# One smaller teacher; without engagement or one kind of match features; two text sources; two amounts.
CHANGES = {
    "signals": {"searchsage": False, "pinsage": False, "interests": False, "without": list(KINDS[1:])},
    "reproduce": {"teachers": ["backbone"], "layers": [1], "amounts": [1, 4]},
}
FEW = ["title", "caption"]


def write(home, name, **changes):
    path = home.folder / "recipes" / f"{name}.toml"
    path.write_text(tiny_run.toml(tiny_run.changed(**changes) | CHANGES), encoding="utf-8")
    return path


def reproduce(home, root, recipe, *arguments):
    ended = home.limbeck("--json", "reproduce", recipe, "--workspace", root, *arguments)
    assert ended.code == 0, ended.err
    return ended


def table(root, number) -> Table:
    folder = Workspace(root).folder(f"reproduction/table-{number}")
    return msgspec.json.decode((folder / "table.json").read_bytes(), type=Table)


def written(root):
    """Every file that is there whole: its inode and time of writing; a lock is no such file."""
    return {file: seen for file, seen in tiny_run.finished_files(root).items() if not file.endswith(".lock")}


def shared(root, name):
    """What a variant has from the same as the run, and how much of that is the very same files."""
    main, own = Workspace(root), Workspace(root / "reproduction" / name)
    same = [n for n in tiny_run.committed(own.root) if main.has(n) and main.manifest(n).made == own.manifest(n).made]
    for part in same:
        for file in main.manifest(part).files:
            assert (main._folder(part) / file).samefile(own._folder(part) / file), part
    return set(same)


@pytest.fixture(scope="module")
def reproduced(home, finished, tmp_path_factory):
    """Tables 1, 4 and 5 once, beginning with what the tiny run made: workspace, recipe, and what was said."""
    root = tmp_path_factory.mktemp("reproduced") / "ws"
    recipe = write(home, "reproduced")
    lender, ws = Workspace(finished.root), Workspace(root, lender=Workspace(finished.root))
    with ws.writing():
        for name in tiny_run.committed(finished.root):
            ws.borrow(name, lender.manifest(name).made)
    numbers = [word for number in (1, 4, 5) for word in ("--table", number)]
    return root, recipe, reproduce(home, root, recipe, *numbers, "--docs", root / "docs.md")


def test_the_cost_comes_first_and_each_variant_tells_what_is_left(reproduced):
    _, _, ended = reproduced
    events = [e for e in ended.events if e["event"] in ("cost", "stage", "variant")]
    assert (events[0]["event"], events[0]["variants"], events[0]["waiting"]) == ("cost", 3, 3)
    assert [e["number"] for e in events if e["event"] == "variant"] == [1, 1, 2]
    assert all(e["seconds_left"] >= 0 for e in events if e["event"] == "variant")


def test_teachers_are_ordered_by_size_and_each_is_compared_with_the_one_before(reproduced):
    rows = table(reproduced[0], 1).rows
    assert [row.name for row in rows] == [
        "text match",
        "cosine",
        "teacher: backbone, first 1 layers",
        "teacher: backbone",
    ]
    assert [row.against for row in rows] == ["", "", "cosine", "teacher: backbone, first 1 layers"]
    smaller, larger = (float(row.note.split()[0]) for row in rows[2:])
    assert smaller <= larger


def test_signals_are_left_out_one_by_one(reproduced):
    found = table(reproduced[0], 5)
    assert [row.name for row in found.rows] == ["all signals", "without engagement", "without match features: bm25"]
    assert {row.against for row in found.rows[1:]} == {"all signals"}
    assert not found.higher


def test_languages_tell_how_many_labels_they_have(reproduced):
    found = table(reproduced[0], 4)
    together = [row for row in found.rows if row.name.startswith("languages without a human label together")]
    assert [row.grader for row in together] == ["text match", "student-human", "student", "teacher"]
    english = [row for row in found.rows if row.name.startswith("language en")]
    others = [row for row in found.rows if row.name.startswith("language ") and row not in english]
    assert all("human labels" in row.name for row in english)
    assert others
    assert all("no human label" in row.name for row in others)
    assert {row.grader for row in found.rows if row.differences} == {"student"}


def test_variants_share_all_that_is_made_from_the_same(reproduced):
    root = reproduced[0]
    teacher = shared(root, "teacher-backbone-first-1-layers")
    assert teacher >= {"pins", "impressions", "images/pins", "pin_texts", "signals/match", "index/lexical"}
    assert not teacher & {"composed", "models/teacher"}  # whose tokens another backbone counts
    without = shared(root, "without-engagement")
    assert without >= {"composed", "models/teacher", "pairs", "soft_labels", "encoder_vectors"}
    assert "models/student" not in without


def test_the_page_is_linked_from_the_report_and_the_docs_say_the_same(reproduced):
    root = reproduced[0]
    page, docs = ((root / file).read_text(encoding="utf-8") for file in ("reproduction.html", "docs.md"))
    assert 'href="reproduction.html"' in (root / "report.html").read_text(encoding="utf-8")
    for text in ("1. Graders", "4. Languages and countries", "5. Signals", "160 pins"):
        assert text in page
        assert text in docs
    assert "2. Text sources" not in page
    assert "Not measured on this run: text sources, teacher labels." in page


def test_again_nothing_is_made(home, reproduced):
    root, recipe, _ = reproduced
    before = written(root)
    again = reproduce(home, root, recipe, "--table", 1, "--table", 5)
    assert again.made == {}
    assert [e["waiting"] for e in again.events if e["event"] == "cost"] == [0]
    assert written(root) == before


def test_killed_in_a_variant_it_goes_on_to_the_same_figures(home, reproduced):
    root, recipe, _ = reproduced
    before, own = table(root, 5), Workspace(root / "reproduction" / "without-engagement")
    kept = own.folder("models/student-human").stat().st_ino
    for name in ("models/student", "evaluation/grades"):
        own.remove(name)
    command = home.start("--json", "reproduce", recipe, "--workspace", root, "--table", 5)
    assert command.reaches(["models/student"])
    assert command.signal(signal.SIGKILL).code == -signal.SIGKILL
    assert not own.has("evaluation/grades")
    again = reproduce(home, root, recipe, "--table", 5)
    assert set(again.made) <= {"models/student", "evaluation/grades"}
    assert own.folder("models/student-human").stat().st_ino == kept
    assert table(root, 5) == before


@pytest.mark.long
def test_text_sources_and_amounts(home, tmp_path):
    recipe, root = write(home, "sources", text={"sources": FEW}), tmp_path / "ws"
    reproduce(home, root, recipe, "--table", 2, "--table", 3)
    steps = table(root, 2).rows
    assert [(row.name, row.grader) for row in steps] == [
        (name, grader) for name in ("title", "+ caption") for grader in ("teacher", "student")
    ]
    assert [row.against for row in steps] == ["", "", "title", "title"]
    assert {"composed", "models/teacher", "soft_labels"} <= shared(root, "text-2-caption")
    amounts = table(root, 3).rows
    learnt = [row.labelled for row in amounts]
    assert learnt == sorted(learnt)
    assert [row.against for row in amounts] == ["", *(row.name for row in amounts[:-1])]
    graded = Workspace(root / "reproduction" / "labels").table("soft_labels")
    known = Workspace(root).table("soft_labels")
    assert graded.num_rows > known.num_rows
    assert reproduce(home, root, recipe, "--table", 2, "--table", 3).made == {}


@pytest.mark.parametrize("mistake", ["table", longer("family")])
def test_a_mistake_is_refused_before_anything_is_written(home, tmp_path, mistake):
    recipe = write(home, "mistaken")
    if mistake == "family":
        recipe.write_text(recipe.read_text().replace('"shares"', '"share"'), encoding="utf-8")
    ended = home.limbeck("reproduce", recipe, "--workspace", tmp_path / "ws", "--table", 6)
    assert ended.code == 2
    assert ("no table 6" if mistake == "table" else "did you mean 'shares'") in ended.err
    assert not (tmp_path / "ws").exists()


# -- which variants there are --


@pytest.fixture
def whole(home):
    return read(home.folder / tiny_run.TINY)


def test_every_switch_of_the_signals_and_every_kind_of_match_features_is_left_out_once(whole):
    found = {v.label: v.recipe.signals for v in variants.signals(whole)}
    switches = ["engagement", "searchsage", "pinsage", "interests"]
    assert list(found) == [*switches, *(f"match features: {k.replace('_', ' ')}" for k in KINDS)]
    assert not found["engagement"].engagement
    assert found["engagement"].searchsage
    assert found["match features: title words"].without == ("title_words",)


def test_each_step_has_one_more_source_in_text_and_match_features(whole):
    steps = variants.sources(whole)
    for number, step in enumerate(steps, 1):
        assert step.recipe.text.sources == SOURCES[:number]
        assert set(step.recipe.signals.without) == {"all", *SOURCES[number:]}
    assert len(steps) == len(SOURCES)


def test_sources_by_which_no_pin_says_anything_are_no_steps(whole, tmp_path):
    ws = Workspace(tmp_path)
    assert tables.said(ws) == SOURCES, "nothing is known yet"
    texts = {"pin_id": ["a", "b"], "title": ["a lamp", None], "caption": [None, ""], "board_titles": [[], ["lamps"]]}
    fields = schema("pin_texts")
    nothing = {f.name: [[] if pa.types.is_list(f.type) else None if f.nullable else ""] * 2 for f in fields}
    rows = pa.table({**nothing, **texts}, schema=fields)
    ws.write_table("pin_texts", Made(), {"0": lambda: rows})
    assert tables.said(ws) == ("title", "board_titles")
    steps = variants.sources(whole, tables.said(ws))
    assert [step.label for step in steps] == ["title", "board_titles"]
    assert steps[-1].recipe.text.sources == ("title", "board_titles")


def test_amounts_that_the_log_does_not_offer_end_where_it_ends(whole):
    asked = variants.amounts(whole)
    assert asked.recipe.labels.per_human_label == 100
    known = asked.then(25.0)
    assert known.recipe.measure.learning_curve == (1 / 25, 20 / 25)
    assert known.graders == ("student-human", "student-4", "student-80", "student")


def test_what_the_page_shows_is_of_the_run_as_it_is_now(reproduced, tmp_path):
    root = reproduced[0]
    assert [t.number for t in tables.measured(Workspace(root))] == [1, 4, 5]
    manifest = root / "reproduction" / "table-1.json"
    text = manifest.read_text(encoding="utf-8")
    changed = json.loads(text)
    changed["made"]["inputs"]["evaluation/grades"] = "of another run"
    manifest.write_text(json.dumps(changed), encoding="utf-8")
    assert [t.number for t in tables.measured(Workspace(root))] == [4, 5]
    manifest.write_text(text, encoding="utf-8")
