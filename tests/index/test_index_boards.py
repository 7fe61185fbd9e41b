"""Boards by Pin and Pins by board: joined from the tables, and read back a row at a time."""

from collections import defaultdict

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.errors import WorkspaceError
from limbeck.index import boards
from limbeck.index.boards import Board

PINS = [f"p{i}" for i in range(6)]
BOARDS = {"b0": "Sofas", "b1": None, "b2": "Ünïcode 椅子", "b10": "Sofas"}


def index_of(folder, saves, shards=2):
    """The index over (board, Pin, when) saves that lie in so many shards."""
    paths = []
    for number in range(shards):
        part = saves[number::shards]
        columns = {
            "board_id": pa.array([b for b, _, _ in part], pa.string()),
            "pin_id": pa.array([p for _, p, _ in part], pa.string()),
            "saved_at": pa.array([t for _, _, t in part], pa.timestamp("us", "UTC")),
        }
        paths.append(folder / f"{number}.parquet")
        pq.write_table(pa.table(columns), paths[-1])
    titled = pa.table({"board_id": list(BOARDS), "title": list(BOARDS.values())})
    out = folder / "out"
    out.mkdir()
    boards.build(pa.table({"pin_id": PINS[::-1]}), titled, paths, out)
    return boards.open(out)


def test_a_pin_names_its_boards_largest_first_and_a_board_its_pins_newest_first(tmp_path):
    index = index_of(tmp_path, [("b0", "p1", 5), ("b0", "p2", 9), ("b10", "p1", 3), ("b2", "p1", 1), ("b2", "p3", 2)])
    assert index.of("p1", 9) == ([Board("b0", "Sofas", 2), Board("b2", "Ünïcode 椅子", 2), Board("b10", "Sofas", 1)], 3)
    assert index.of("p1", 1) == ([Board("b0", "Sofas", 2)], 3)
    assert index.of("p5", 9) == index.of("nobody", 9) == ([], 0)
    assert index.board("b2") == Board("b2", "Ünïcode 椅子", 2)
    assert index.pins("b0", 0, 9) == ["p2", "p1"]
    assert index.pins("b0", 1, 1) == ["p1"]
    assert index.pins("b0", 2, 9) == index.pins("b1", 0, 9) == []
    assert index.board("b1") is None  # it holds nothing


def test_what_is_saved_twice_is_held_once_by_its_last_save(tmp_path):
    index = index_of(tmp_path, [("b0", "p1", 1), ("b0", "p2", 2), ("b0", "p1", 3)])
    assert index.pins("b0", 0, 9) == ["p1", "p2"]
    assert index.board("b0").pins == 2


def test_saves_of_what_is_not_there_are_passed_over(tmp_path):
    index = index_of(tmp_path, [("b0", "gone", 1), ("nobody's", "p1", 1), ("b0", "p1", 1)])
    assert index.pins("b0", 0, 9) == ["p1"]
    assert index.board("nobody's") is None


@pytest.mark.parametrize("shards", [0, 1])
def test_where_nobody_saved_anything_there_are_no_boards(tmp_path, shards):
    index = index_of(tmp_path, [], shards)
    assert index.of("p1", 9) == ([], 0)
    assert index.board("b0") is None


@given(
    st.lists(
        st.tuples(st.sampled_from([*BOARDS, "other"]), st.sampled_from([*PINS, "gone"]), st.integers(0, 5)), max_size=30
    )
)
def test_it_is_the_join_that_plain_python_makes(tmp_path_factory, saves):
    index = index_of(tmp_path_factory.mktemp("boards"), saves)
    last = defaultdict(dict)
    for board, pin, at in saves:
        if board in BOARDS and pin in PINS:
            last[board][pin] = max(at, last[board].get(pin, at))
    for board in BOARDS:
        held = last.get(board, {})
        assert index.pins(board, 0, 99) == sorted(held, key=lambda pin: (-held[pin], pin))
        assert index.board(board) == (Board(board, BOARDS[board], len(held)) if held else None)
    for pin in PINS:
        on = sorted((b for b in last if pin in last[b]), key=lambda b: (-len(last[b]), b))
        found, count = index.of(pin, 99)
        assert [b.board_id for b in found] == on
        assert count == len(on)


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "boards.arrow").write_bytes(b"damaged")
    with pytest.raises(WorkspaceError, match=r"boards\.arrow.*Delete it"):
        boards.open(tmp_path)
