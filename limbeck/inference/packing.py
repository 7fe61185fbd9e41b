"""Batches without padding: the tokens of all rows one after the other, and where each row's tokens stand for attention.

Only attention needs rows of one length. Rows are spread out to the next multiple of 16 tokens for it (odd lengths take
the fused kernel up to twice as long as that) and gathered again; everything else sees no padding at all.
"""

from dataclasses import dataclass

import numpy as np
import torch

from limbeck.inference.tokens import Rows

MULTIPLE = 16


@dataclass(frozen=True)
class Packed:
    """n rows of T tokens in all, spread out to (n, L) where attention needs it."""

    ids: torch.Tensor  # int64 (T,)
    types: torch.Tensor  # int64 (T,)
    positions: torch.Tensor  # int64 (T,), from 0 in each row
    firsts: torch.Tensor  # int64 (n,): the place of each row's first token
    lasts: torch.Tensor  # int64 (n,): and of its last
    spread: torch.Tensor  # int64 (n · L,): which token stands there; any, where none does
    gather: torch.Tensor  # int64 (T,): where each token stands
    present: torch.Tensor  # bool (n, L): whether a token stands there

    @property
    def shape(self) -> tuple[int, int]:
        """(n, L)."""
        return tuple(self.present.shape)


def batches(lengths: np.ndarray, budget: int) -> list[np.ndarray]:
    """Row numbers, longest first, in batches of at most `budget` tokens whose lengths round to the same multiple."""
    order = np.argsort(-lengths, kind="stable")
    widths = -(-lengths[order] // MULTIPLE)
    found: list[np.ndarray] = []
    for bucket in np.split(order, np.flatnonzero(np.diff(widths)) + 1):
        if not len(bucket):
            continue
        before = np.cumsum(lengths[bucket]) - lengths[bucket]
        found += np.split(bucket, np.flatnonzero(np.diff(before // budget)) + 1)
    return found


def pack(rows: Rows, chosen: np.ndarray, with_types: bool) -> Packed:
    """The batch of the `chosen` rows."""
    lengths = rows.lengths[chosen]
    width = -(-int(lengths.max()) // MULTIPLE) * MULTIPLE
    ids = torch.from_numpy(rows.ids(chosen))
    types = torch.from_numpy(rows.types(chosen)) if with_types else torch.zeros_like(ids)
    present = np.arange(width) < lengths[:, None]
    gather = np.flatnonzero(present)
    spread = np.zeros(present.size, dtype=np.int64)
    spread[gather] = np.arange(len(gather))
    ends = np.cumsum(lengths)
    whole = (ends - lengths, ends - 1, spread, gather, present)
    firsts, lasts, spread_, gather_, present_ = map(torch.from_numpy, whole)
    return Packed(ids, types, gather_ % width, firsts, lasts, spread_, gather_, present_)
