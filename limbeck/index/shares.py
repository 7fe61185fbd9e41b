"""What the student's first layer makes of each Pin alone, computed offline and memory-mapped (student/scoring.py)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from limbeck.errors import WorkspaceError
from limbeck.signals import joined
from limbeck.signals.signal import UNASKED, Read
from limbeck.student.scoring import Bits, Held, Scorer
from limbeck.student.vectors import Vectors
from limbeck.workspace import Workspace

VERSION = 1  # raise it when the same Pins are to be kept otherwise
MADE_OF = ("pin_vectors", "models/student", *joined.OPTIONAL)
NUMBERS, SCALE = "numbers.npy", "scale.npy"
ROWS_AT_ONCE = 65_536
KINDS = {8: np.int8, 16: np.float16, 32: np.float32}


def build(ws: Workspace, read: Read, bits: Bits, out: Path) -> None:
    """Write what is kept of all Pins that have a vector, in the vectors' order, into `out`. `read` as for signals."""
    scorer, pins, signals = Scorer(ws.folder("models/student")), Vectors(ws.table("pin_vectors")), joined.open(ws, read)
    rows, width = signals.rows(pins.pin_ids), scorer.shape.products + scorer.shape.sizes[1]

    def parts() -> Iterator[tuple[slice, np.ndarray]]:
        for begin in range(0, len(rows), ROWS_AT_ONCE):
            some = slice(begin, begin + ROWS_AT_ONCE)
            yield some, scorer.held(pins.matrix[some], signals.of_side("pin", UNASKED, rows[some]))

    most = np.zeros(width, np.float32)
    if bits == 8:
        for _, part in parts():
            most = np.maximum(most, np.abs(part).max(axis=0))
    numbers = np.empty((len(rows), width), KINDS[bits])
    for some, part in parts():
        numbers[some] = Held.of(part, bits, most).numbers
    np.save(out / NUMBERS, numbers, allow_pickle=False)
    np.save(out / SCALE, Held.of(np.zeros((0, width), np.float32), bits, most).scale, allow_pickle=False)


def open(folder: Path) -> Held:
    """What `build` wrote; the numbers are memory-mapped."""
    try:
        # As a plain array: the kernel takes ten times as long to look at a `memmap` of the same memory.
        numbers = np.asarray(np.load(folder / NUMBERS, mmap_mode="r", allow_pickle=False))
        return Held(numbers, np.load(folder / SCALE, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise WorkspaceError(f"{folder}: cannot be read ({error}). Delete it and run again") from None
