"""Which rows are of the same Pin: what is written is what is found without it, and what does not fit is refused."""

import json
import shutil

import numpy as np
import pytest

from limbeck.errors import WorkspaceError
from limbeck.index import alignment
from limbeck.index.store import Store
from limbeck.signals import joined
from limbeck.workspace import Made, Workspace


@pytest.fixture
def copy(workspace, tmp_path):
    shutil.copytree(workspace.root, tmp_path / "copy")
    return Workspace(tmp_path / "copy")


def replace(ws, **arrays):
    """The same alignment with some other arrays, as if it had been made of the same."""
    made, kept = ws.manifest(alignment.NAME).made, dict(arrays)
    for path in ws.folder(alignment.NAME).glob("*.npy"):
        kept.setdefault(path.stem, np.load(path))
    other = Made(made.inputs, {"changed": True}, made.version)
    ws.write_folder(
        alignment.NAME, other, lambda out, _: [np.save(out / f"{name}.npy", rows) for name, rows in kept.items()]
    )


def test_what_was_worked_out_offline_is_what_signals_would_work_out(workspace):
    found, pins = alignment.open(workspace), Store.open(workspace).signals.match.pins.texts
    there = [name for name in joined.OPTIONAL if workspace.has(name)]
    assert there
    for name in there:
        expected = joined.aligned(workspace, name, pins)
        assert found.of(name).keys() == expected.keys()
        for array, rows in expected.items():
            np.testing.assert_array_equal(found.of(name)[array], rows)
            assert found.of(name)[array].dtype == rows.dtype


def test_signals_say_the_same_with_and_without_it(store, workspace):
    without, rows = joined.open(workspace, store.read), np.append(np.arange(len(store)), -1)
    for query in ("red sofa", "nobody asked this"):
        np.testing.assert_array_equal(store.signals.features(query, rows), without.features(query, rows))


@pytest.mark.parametrize("damage", ["missing", "cut", "empty", "overwritten"])
def test_a_damaged_file_is_named(copy, damage):
    for path in copy.folder(alignment.NAME).iterdir():
        kept = path.read_bytes()
        path.unlink()
        if damage != "missing":
            path.write_bytes({"cut": kept[:-1], "empty": b"", "overwritten": b"x" * len(kept)}[damage])
        with pytest.raises(WorkspaceError, match=rf"{path}: cannot be read.*Delete it and run again"):
            Store.open(copy)
        path.write_bytes(kept)
    assert len(Store.open(copy)) == 50


@pytest.mark.parametrize(
    ("name", "rows"), [("match_rows", 50), ("rows_of_words", 50), ("engagement.place", 51), ("searchsage.place", 51)]
)
def test_rows_of_other_pins_are_refused(copy, name, rows):
    replace(copy, **{name: np.zeros(3, np.int64)})
    with pytest.raises(WorkspaceError, match=rf"index/alignment: {name} has 3 rows, not {rows}"):
        Store.open(copy)


@pytest.mark.parametrize("name", ["signals/match", "index/catalogue", "index/lexical"])
def test_one_that_was_made_of_something_else_is_refused(copy, name):
    path = copy._manifest_path(name)
    path.write_text(json.dumps({**json.loads(path.read_text()), "digest": "another"}))
    with pytest.raises(WorkspaceError, match=rf"index/alignment was made of another {name}.*limbeck run"):
        Store.open(copy)


def test_one_of_an_earlier_version_is_refused(copy):
    kept = {path.stem: np.load(path) for path in copy.folder(alignment.NAME).glob("*.npy")}
    del kept["rows_of_words"]
    made = copy.manifest(alignment.NAME).made
    copy.write_folder(
        alignment.NAME,
        Made(made.inputs, {"earlier": True}, made.version),
        lambda out, _: [np.save(out / f"{name}.npy", rows) for name, rows in kept.items()],
    )
    with pytest.raises(WorkspaceError, match=r"there is no rows_of_words.*limbeck run"):
        Store.open(copy)


def test_one_without_a_signal_that_is_there_is_refused(workspace):
    found = alignment.open(workspace)
    with pytest.raises(WorkspaceError, match=r"without signals/visual.*limbeck run"):
        found.of("signals/visual")
