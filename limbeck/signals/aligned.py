"""What a signal keeps of Pins, row by row as the match index has them: worked out once, then mapped from the disk.

Each signal knows Pins in an order of its own. Which of its rows are whose takes a look at every id, so the run does it
offline (index/alignment.py); who opens the signals before that, to train or to grade in bulk, does it at opening.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

PLACE = "place"  # the array of a signal that keeps nothing else: where each Pin is among its own
Aligned = Mapping[str, np.ndarray]  # by name (n + 1, …), a row per Pin of the match index; the last is of no Pin


def places(pins: pa.Array, known: pa.ChunkedArray) -> np.ndarray:
    """Where each Pin is among the `known` ids, int64 (n + 1,): −1 where it is not, as is the last, of no Pin."""
    found = pc.fill_null(pc.index_in(pins, known), -1).to_numpy(zero_copy_only=False)
    return np.append(found, -1).astype(np.int64)
