"""Vectors of boards: of a board's title and of the Pins on it, in one space."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ROWS_AT_ONCE = 262_144  # saves whose Pins' vectors are held at once
TITLE = 1.0  # as much as so many Pins


def numbered(saves: pa.Table, boards: pa.Table, pin_ids: pa.Array) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    """All boards (board_id, title), by id, and row-aligned numbers of Pins and boards: each known Pin once on a board.

    `saves` has board_id and pin_id; a board that only they name has no title.
    """
    saves = saves.select(["board_id", "pin_id"]).group_by(["board_id", "pin_id"]).aggregate([])
    found = pa.table({"board_id": pa.chunked_array([*saves.column(0).chunks, *boards.column("board_id").chunks])})
    found = found.group_by("board_id").aggregate([]).sort_by("board_id")
    titles = boards.column("title").take(pc.index_in(found.column("board_id"), boards.column("board_id")))
    pin, board = (pc.index_in(saves.column(c), known) for c, known in (("pin_id", pin_ids), ("board_id", found[0])))
    known = pc.is_valid(pin)
    pin, board = (rows.filter(known).to_numpy().astype(np.int64) for rows in (pin, board))
    order = np.lexsort((pin, board))
    return found.append_column("title", titles), pin[order], board[order]


def vectors(pins: np.ndarray, pin: np.ndarray, board: np.ndarray, titles: np.ndarray) -> np.ndarray:
    """Unit vectors of boards (b, d) from unit vectors of Pins (n, d) and titles (b, d), zeros where there is no title.

    `pin` and `board` (saves,) say which Pin is on which board, board by board. An empty, untitled board has zeros.
    """
    sums = TITLE * titles.astype(np.float32)
    for begin in range(0, len(pin), ROWS_AT_ONCE):
        some = slice(begin, begin + ROWS_AT_ONCE)
        number, first = np.unique(board[some], return_index=True)
        sums[number] += np.add.reduceat(pins[pin[some]], first, axis=0)
    return unit(sums)


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length one; zeros stay zeros."""
    return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)).astype(np.float32)
