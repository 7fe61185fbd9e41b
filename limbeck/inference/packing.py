"""Batches without padding: the tokens of all rows one after the other, and where each row's tokens stand for attention.

Only attention needs rows of one length. Rows are spread out to the next multiple of 16 tokens for it (odd lengths take
the fused kernel up to twice as long as that) and gathered again. Everything else sees no padding but a little at the
end of a batch: oneDNN compiles each product anew for each number of tokens, which costs more than the product, and it
keeps 1,024 of them, so that there must be few such numbers.
"""

from dataclasses import dataclass

import numpy as np
import torch

from limbeck.inference.tokens import Rows

MULTIPLE = 16  # of a row's length in attention, and of the number of rows whose pooled states alone are computed
TOKENS_MULTIPLE = 64


@dataclass(frozen=True)
class Packed:
    """n rows, spread out to (n, L) where attention needs it.

    Their tokens are followed by some that belong to no row, T in all, a multiple of `TOKENS_MULTIPLE`.
    """

    ids: torch.Tensor  # int64 (T,)
    types: torch.Tensor  # int64 (T,)
    positions: torch.Tensor  # int64 (T,), from 0 in each row
    firsts: torch.Tensor  # int64 (m,): the place of each row's first token; m is n rounded up to a `MULTIPLE`
    lasts: torch.Tensor  # int64 (m,): and of its last
    spread: torch.Tensor  # int64 (n · L,): which token stands there; any, where none does
    gather: torch.Tensor  # int64 (T,): where each token stands; any place, for those of no row
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
        rows = max(1, budget // max(1, int(lengths[bucket].max(initial=0))))
        found += [bucket[begin : begin + rows] for begin in range(0, len(bucket), rows)]
    return found


def pack(rows: Rows, chosen: np.ndarray, with_types: bool) -> Packed:
    """The batch of the `chosen` rows."""
    lengths = rows.lengths[chosen]
    ends = np.cumsum(lengths)
    width, tokens = _up(int(lengths.max()), MULTIPLE), _up(int(ends[-1]), TOKENS_MULTIPLE)
    ids = _filled(rows.ids(chosen), tokens)
    types = _filled(rows.types(chosen), tokens) if with_types else torch.zeros_like(ids)
    present = np.arange(width) < lengths[:, None]
    place = np.flatnonzero(present)
    spread = np.zeros(present.size, dtype=np.int64)
    spread[place] = np.arange(len(place))
    gather, count = _filled(place, tokens), _up(len(chosen), MULTIPLE)
    return Packed(
        ids=ids,
        types=types,
        positions=gather % width,
        firsts=_filled(ends - lengths, count),
        lasts=_filled(ends - 1, count),
        spread=torch.from_numpy(spread),
        gather=gather,
        present=torch.from_numpy(present),
    )


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _filled(values: np.ndarray, size: int) -> torch.Tensor:
    """int64 (size,): the values, then zeros."""
    found = torch.zeros(size, dtype=torch.int64)
    found[: len(values)] = torch.from_numpy(values)
    return found
