"""A run takes the journal into the pins table; what the whole index was made with is live no longer."""

import pyarrow as pa
import pytest

from limbeck import records
from limbeck.live.fold import INPUT, STEPS, fold, folded
from limbeck.live.journal import BEGINNING, Changes, Journal
from limbeck.records import Pin
from limbeck.workspace import Made, Workspace


def pin(pin_id, title):
    return Pin(pin_id, title, None, None, None, None, None, None)


def table(*rows):
    columns = {"pin_id": [i for i, _ in rows], "title": [t for _, t in rows]}
    empty = {name: [None] * len(rows) for name in records.schema("pins").names if name not in columns}
    return pa.table({**columns, **empty}).select(records.schema("pins").names).cast(records.schema("pins"))


MADE = Made(inputs={"files": "abc"})


def own():
    return {"00000": lambda: table(("a", "one"), ("b", "two")), "00001": lambda: table(("c", "three"))}


def test_without_a_journal_all_stays_as_it_is(tmp_path):
    assert fold(tmp_path, MADE, own) == (MADE, own)


def test_changed_pins_take_the_place_of_the_recipes_own(tmp_path):
    journal = Journal(tmp_path)
    journal.append([Changes(put=(pin("b", "other"), pin("d", "new"), pin("e", "gone")), delete=("c",))])
    journal.append([Changes(delete=("e", "nobody"))])
    made, shards = fold(tmp_path, MADE, own)
    assert made.inputs == {"files": "abc", INPUT: journal.after(BEGINNING)[1].digest}
    found = {key: [(r["pin_id"], r["title"]) for r in make().to_pylist()] for key, make in shards().items()}
    assert found == {"00000": [("a", "one")], "00001": [], INPUT: [("b", "other"), ("d", "new")]}


def test_a_journal_of_deletions_alone_adds_an_empty_shard(tmp_path):
    Journal(tmp_path).append([Changes(delete=("a",))])
    [first, _, live] = (make() for make in fold(tmp_path, MADE, own)[1]().values())
    assert first.column("pin_id").to_pylist() == ["b"]
    assert live.schema.equals(records.schema("pins"))


@pytest.fixture
def made_with(tmp_path):
    """A workspace all of which was made with a line of a journal."""
    ws = Workspace(tmp_path)
    ws.write_table("pins", Made({INPUT: "a line"}), {"0": lambda: records.empty("pins")})
    for name, sources in STEPS.items():
        make(ws, name, sources)
    return ws


def make(ws, name, sources):
    made = ws.made_from(sources)
    if "/" in name:
        ws.write_folder(name, made, lambda out, _: (out / "file").write_text(name))
    else:
        ws.write_table(name, made, {"0": lambda: records.empty(name)})


def test_what_all_of_the_index_was_made_with_is_folded(made_with):
    assert folded(made_with) == "a line"


@pytest.mark.parametrize(("name", "source"), [(name, source) for name, sources in STEPS.items() for source in sources])
def test_while_any_part_is_of_an_older_version_nothing_is_folded(made_with, name, source):
    before = Made(inputs={**made_with.manifest(name).made.inputs, source: "another"})
    if "/" in name:
        made_with.write_folder(name, before, lambda out, _: (out / "file").write_text("old"))
    else:
        made_with.write_table(name, before, {"0": lambda: records.empty(name)})
    assert folded(made_with) == ""


def test_a_workspace_that_is_only_served_has_nothing_folded(made_with):
    made_with.remove("pin_texts")
    assert folded(made_with) == ""


def test_an_index_that_was_made_without_a_journal_has_nothing_folded(made_with):
    made_with.write_table("pins", Made(), {"0": lambda: records.empty("pins")})
    assert folded(made_with) == ""
