"""The classes of many texts: of each its few likeliest with their shares, and the share of shopping."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather

MOST = 4  # classes of a text that are kept


@dataclass(frozen=True)
class Classes:
    """Of n texts the numbers of m classes, int32 (n, m), their shares, and the share of shopping (n,), both float32.

    Where nothing is known of a text, shares are NaN.
    """

    number: np.ndarray
    share: np.ndarray
    shopping: np.ndarray

    def take(self, rows: np.ndarray) -> "Classes":
        """Those of some rows."""
        return Classes(self.number[rows], self.share[rows], self.shopping[rows])

    def replaced(self, where: np.ndarray, by: "Classes") -> "Classes":
        """These, but where `where` (n,) says so, those of another."""
        wide = where[:, None]
        number, share = np.where(wide, by.number, self.number), np.where(wide, by.share, self.share)
        return Classes(number, share, np.where(where, by.shopping, self.shopping))

    def save(self, keys: Sequence[str], path: Path) -> None:
        """Write them, known by the texts' keys."""
        lists = [pa.FixedSizeListArray.from_arrays(pa.array(a.ravel()), a.shape[1]) for a in (self.number, self.share)]
        columns = [pa.array(keys, pa.string()), *lists, pa.array(self.shopping)]
        feather.write_feather(pa.table(columns, ["key", "number", "share", "shopping"]), path)


def likeliest(shares: np.ndarray, shopping: np.ndarray) -> Classes:
    """The largest of all shares (n, k), largest first."""
    most = min(MOST, shares.shape[1])
    number = np.argpartition(-shares, most - 1, axis=1)[:, :most]
    order = np.argsort(-np.take_along_axis(shares, number, axis=1), axis=1, kind="stable")
    number = np.take_along_axis(number, order, axis=1).astype(np.int32)
    return Classes(number, np.take_along_axis(shares, number, axis=1).astype(np.float32), shopping.astype(np.float32))


def joined(parts: Sequence[Classes]) -> Classes:
    """The texts of all parts, one after the other."""
    return Classes(*(np.concatenate(arrays) for arrays in zip(*(vars(part).values() for part in parts))))


def load(path: Path) -> tuple[pa.ChunkedArray, Classes]:
    """Keys and classes that `save` wrote. The last row, one more, is of none."""
    table = feather.read_table(path)
    wide = (table.column(name).combine_chunks() for name in ("number", "share"))
    number, share = (c.flatten().to_numpy().reshape(-1, c.type.list_size) for c in wide)
    nothing = np.full((1, share.shape[1]), np.nan, np.float32)
    return table.column("key"), Classes(
        np.concatenate([number, np.zeros((1, number.shape[1]), np.int32)]),
        np.concatenate([share, nothing]),
        np.append(table.column("shopping").to_numpy(), np.float32(np.nan)),
    )
