"""Which boards each Pin is on, and which Pins each board holds: two Arrow tables that point at each other's rows.

Both are mapped from disk and read a row at a time. Only boards that hold a Pin of the catalogue are kept.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from limbeck.errors import WorkspaceError

NAME = "index/boards"
_BOARDS, _PINS = "boards.arrow", "pins.arrow"


@dataclass(frozen=True)
class Board:
    """A board, and how many Pins of the catalogue it holds."""

    board_id: str
    title: str | None
    pins: int


class Boards:
    """An open index. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        self._boards, self._pins = (_mapped(folder / file) for file in (_BOARDS, _PINS))

    def of(self, pin_id: str, most: int) -> tuple[list[Board], int]:
        """Up to `most` boards that a Pin is on, the largest first, equal ones by board_id; and on how many it is."""
        row = _row(self._pins.column("pin_id"), pin_id)
        if row is None:
            return [], 0
        on = self._pins.column("boards")[row].values
        return [self._board(number.as_py()) for number in on[:most]], len(on)

    def board(self, board_id: str) -> Board | None:
        """The board of this id; None where there is none, or it holds no Pin of the catalogue."""
        row = _row(self._boards.column("board_id"), board_id)
        return None if row is None else self._board(row)

    def pins(self, board_id: str, begin: int, most: int) -> list[str]:
        """Up to `most` Pins of a board from the place `begin` (0 is the first) on: the one saved last comes first."""
        row = _row(self._boards.column("board_id"), board_id)
        if row is None:
            return []
        held = self._boards.column("pins")[row].values.slice(begin, most)
        return [str(self._pins.column("pin_id")[number.as_py()]) for number in held]

    def _board(self, row: int) -> Board:
        found = self._boards
        return Board(found["board_id"][row].as_py(), found["title"][row].as_py(), len(found["pins"][row].values))


def build(pins: pa.Table, boards: pa.Table, saves: Sequence[Path], out: Path) -> None:
    """Join Pins (pin_id), boards (board_id, title) and the shards of saves into the empty folder `out`.

    Saves are read shard by shard; held are the ids, and sixteen bytes for each save. A board that saved a Pin several
    times holds it once, by its last save; saves of unknown Pins or boards are passed over.
    """
    pins, boards = pins.sort_by("pin_id").combine_chunks(), boards.sort_by("board_id").combine_chunks()
    at, pin, board = _last(*_saved(saves, pins.column("pin_id"), boards.column("board_id")))
    used_pins, pin = np.unique(pin, return_inverse=True)
    used_boards, board, size = np.unique(board, return_inverse=True, return_counts=True)
    newest_first, largest_first = np.lexsort((pin, -at, board)), np.lexsort((board, -size[board], pin))
    for rows, used, name, lists, file in (
        (boards, used_boards, "pins", _lists(board, pin[newest_first]), _BOARDS),
        (pins, used_pins, "boards", _lists(pin, board[largest_first]), _PINS),
    ):
        _write(rows.take(pa.array(used)).append_column(name, lists), out / file)


def open(folder: Path) -> Boards:
    """What `build` wrote."""
    return Boards(folder)


def _saved(shards: Sequence[Path], pin_ids: pa.ChunkedArray, board_ids: pa.ChunkedArray) -> tuple[np.ndarray, ...]:
    """Of each save that is of a known Pin to a known board: when, int64, and the rows of Pin and board, int32."""
    parts = [(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int32))]
    for path in shards:
        rows = pq.read_table(path, columns=["saved_at", "pin_id", "board_id"])
        pin = pc.index_in(rows.column("pin_id"), value_set=pin_ids)
        board = pc.index_in(rows.column("board_id"), value_set=board_ids)
        known = pc.and_(pc.is_valid(pin), pc.is_valid(board))
        at = rows.column("saved_at").cast(pa.int64())
        parts.append(tuple(column.filter(known).to_numpy() for column in (at, pin, board)))
    return tuple(np.concatenate(columns) for columns in zip(*parts))


def _last(at: np.ndarray, pin: np.ndarray, board: np.ndarray) -> tuple[np.ndarray, ...]:
    """Of each Pin on each board, the last save."""
    order = np.lexsort((-at, pin, board))
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = (np.diff(pin[order]) != 0) | (np.diff(board[order]) != 0)
    chosen = order[fresh]
    return at[chosen], pin[chosen], board[chosen]


def _lists(owner: np.ndarray, members: np.ndarray) -> pa.Array:
    """The members of owners 0, 1, … as lists; `members` stand by owner, and every owner has some."""
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owner))])
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), pa.array(members, pa.int32()))


def _write(rows: pa.Table, path: Path) -> None:
    with pa.ipc.new_file(path, rows.schema) as writer:
        for batch in rows.combine_chunks().to_batches():
            writer.write_batch(batch)


def _mapped(path: Path) -> pa.Table:
    try:
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except pa.ArrowInvalid as error:
        raise WorkspaceError(f"{path}: {error}. Delete it and run again") from None


def _row(ids: pa.ChunkedArray, wanted: str) -> int | None:
    """The row of an id among sorted ones, by halving; None where it is not among them."""
    row = bisect_left(range(len(ids)), wanted, key=lambda number: ids[number].as_py())
    return row if row < len(ids) and ids[row].as_py() == wanted else None
