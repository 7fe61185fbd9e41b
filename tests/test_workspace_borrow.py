"""A workspace takes from another one what is made from the very same: by hard links, and whole or not at all."""

import os
import signal

import pyarrow as pa
import pytest

from limbeck.workspace import Made, Workspace

FIRST, SECOND = Made(settings={"edition": 1}), Made(settings={"edition": 2})


def shards(keys="ab"):
    return {k: lambda k=k: pa.table({"board_id": [f"{k}1", f"{k}2"], "title": [k, "garden"]}) for k in keys}


def model(out, scratch):
    (out / "tower").mkdir()
    (out / "tower" / "weights").write_text("weights")
    (out / "config").write_text("{}")


@pytest.fixture
def main(tmp_path):
    """A workspace with a table and a model."""
    ws = Workspace(tmp_path / "main")
    ws.write_table("boards", FIRST, shards())
    ws.write_folder("models/tower", FIRST, model)
    return ws


@pytest.fixture
def variant(main, tmp_path):
    return Workspace(tmp_path / "main" / "reproduction" / "variant", lender=main)


@pytest.mark.parametrize("name", ["boards", "models/tower"])
def test_what_is_borrowed_is_the_same_files_and_up_to_date(main, variant, name):
    assert variant.lent(name, FIRST)
    assert variant.borrow(name, FIRST)
    assert variant.outdated(name, FIRST) is None
    assert variant.manifest(name) == main.manifest(name)
    variant.verify(name)
    for file in main.manifest(name).files:
        paths = [ws._folder(name) / file for ws in (main, variant)]
        assert paths[0].samefile(paths[1])
    assert not list(variant.root.rglob("*.partial"))


@pytest.mark.parametrize("name", ["boards", "models/tower", "models/other"])
def test_nothing_is_borrowed_that_was_made_otherwise_or_is_not_whole(main, variant, name):
    assert not variant.borrow(name, SECOND)
    if main.has(name):
        file = main._folder(name) / next(iter(main.manifest(name).files))
        file.unlink()
        assert not variant.borrow(name, FIRST)
    assert not variant.has(name)
    assert not Workspace(main.root).borrow(name, FIRST)  # which has no lender


def test_the_lender_keeps_what_the_borrower_removes_or_makes_otherwise_and_the_other_way_round(main, variant):
    variant.borrow("boards", FIRST)
    variant.borrow("models/tower", FIRST)
    variant.write_table("boards", SECOND, shards("c"))
    variant.remove("models/tower")
    main.verify("boards")
    main.verify("models/tower")
    variant.borrow("models/tower", FIRST)
    main.remove("models/tower")
    variant.verify("models/tower")
    assert (main.has("boards"), main.has("models/tower")) == (True, False)
    assert main.manifest("boards").made == FIRST
    assert variant.manifest("boards").made == SECOND
    assert variant.outdated("models/tower", FIRST) is None


def test_a_borrowed_model_that_lost_a_file_is_borrowed_again(variant):
    variant.borrow("models/tower", FIRST)
    (variant.folder("models/tower") / "config").unlink()
    assert variant.outdated("models/tower", FIRST) is not None
    assert variant.borrow("models/tower", FIRST)
    variant.verify("models/tower")


def test_rows_of_the_lender_serve_where_there_are_none_of_its_own(main, variant):
    assert variant.previous("boards").num_rows == 4
    assert variant.salvaged("boards").num_rows == 4
    variant.write_table("boards", SECOND, shards("c"))
    assert variant.previous("boards").num_rows == 2
    assert variant.salvaged("boards").num_rows == 6
    assert variant.previous("pins") is None


def killed_at(function, call, work):
    """Do `work` in a process of its own that is killed when it calls this function of `os` for the `call`th time."""
    child = os.fork()
    if child == 0:
        original, left = getattr(os, function), iter(range(call - 1))

        def until(*arguments):
            if next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments)

        setattr(os, function, until)
        work()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize(("function", "call"), [("link", 1), ("link", 2), ("rename", 1), ("rename", 2)])
def test_killed_while_it_borrows_a_model_there_is_the_whole_of_it_or_none(variant, function, call):
    killed_at(function, call, lambda: variant.borrow("models/tower", FIRST))
    assert not variant.has("models/tower")
    with variant.writing():
        assert variant.borrow("models/tower", FIRST)
    variant.verify("models/tower")
    assert not list(variant.root.rglob("*.partial"))
