"""Pairs that begin alike, their beginning read once: several queries behind one Pin, for decoders.

A decoder's token sees only those before it. Where the prompt has the Pin before the query, all that stands before the
query is the same for every query of the Pin. One row holds `[beginning][ending 1][ending 2]…`: a token sees the
beginning and what stands before it in its own ending, and every ending counts its positions on from the beginning's.
So each pair's last state is that of the pair alone in a row.

One row, rather than a cache of the beginning's keys and values: nothing is copied for each query, and it takes one call
of the model, of which endings alone would be too few tokens to keep a machine busy.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from limbeck.backbone import is_decoder
from limbeck.inference.tokens import PROBE, Rows

# More endings share a beginning's price, but attention is paid for by the square of the row, also where the mask hides
# it. Behind p tokens a pair costs least at about √(p (p + 6 H)) tokens of endings, H the hidden size: for p = 200, 800
# at H = 512 and 2,200 at H = 4,096. The price is flat around that.
TOKENS_OF_ENDINGS = 1_024  # in one row
PADDING = (0, 0, -1)  # any token: nothing before it can see it


class SharedPrefix:
    """A transformers decoder that reads pairs of one beginning together."""

    def __init__(self, model: Any) -> None:
        self._model = model

    @staticmethod
    def knows(model: Any, pooling: str) -> bool:
        """Whether this model and pooling may be read here; that they are read rightly is for a trial to show."""
        takes_positions = "position_ids" in inspect.signature(model.forward).parameters
        return is_decoder(model.config) and takes_positions and pooling == "lasttoken"

    def __call__(self, rows: Rows, groups: Sequence[np.ndarray]) -> torch.Tensor:
        """The last state of each pair of these groups, (pairs, H), in their order."""
        ids, positions, ending, lasts = (torch.from_numpy(a).to(self._model.device) for a in _batch(rows, groups))
        mask = _mask(ending, self._model.dtype)
        read = self._model(input_ids=ids, position_ids=positions, attention_mask=mask, use_cache=False)
        return read.last_hidden_state.flatten(0, 1).index_select(0, lasts)


def trial(limit: int) -> tuple[list[str], list[str]]:
    """First and second texts of two pairs that begin alike, both cut: no token of the model's reach stays unused."""
    return [" ".join([words] * limit) for words in PROBE], [" ".join([*PROBE] * limit)] * 2


def groups(rows: Rows) -> list[np.ndarray]:
    """Row numbers by what they begin with; a group is complete with the row that reaches `TOKENS_OF_ENDINGS`."""
    first = rows.layout.order[0]
    # The same text cut to another length, for the sake of a long query, is another beginning.
    _, alike = np.unique(np.stack([rows.chosen[first], rows.read[:, first]]), axis=1, return_inverse=True)
    endings = rows.lengths - rows.beginnings(np.arange(len(alike)))
    order, found = np.argsort(alike, kind="stable"), []
    for group in np.split(order, np.flatnonzero(np.diff(alike[order])) + 1):
        before = np.cumsum(endings[group]) - endings[group]
        found += np.split(group, np.flatnonzero(np.diff(before // TOKENS_OF_ENDINGS)) + 1)
    return found


def lengths(rows: Rows, groups: Sequence[np.ndarray]) -> np.ndarray:
    """Tokens of the row of each group: int64 (groups,)."""
    whole = rows.lengths
    saved = [(len(group) - 1) * int(rows.beginnings(group[:1])[0]) for group in groups]
    return np.asarray([whole[group].sum() - less for group, less in zip(groups, saved)], dtype=np.int64)


def _batch(rows: Rows, groups: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Ids, positions and endings' numbers of n rows of L tokens, int64 (n, L), and each pair's last place in n · L."""
    laid_out = [_row(rows, group) for group in groups]
    width = max(tokens.shape[1] for tokens, _ in laid_out)
    batch = np.empty((3, len(groups), width), dtype=np.int64)
    batch[:] = np.asarray(PADDING)[:, None, None]
    for number, (tokens, _) in enumerate(laid_out):
        batch[:, number, : tokens.shape[1]] = tokens
    lasts = np.concatenate([number * width + last for number, (_, last) in enumerate(laid_out)])
    return *batch, lasts


def _row(rows: Rows, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ids, positions and endings' numbers (0: the beginning) of one row, int64 (3, L), and each pair's last place."""
    begin = int(rows.beginnings(group[:1])[0])
    alone = [rows.ids(group[i : i + 1]) for i in range(len(group))]
    sizes = np.asarray([len(ids) - begin for ids in alone])
    ids = np.concatenate([alone[0][:begin], *(ids[begin:] for ids in alone)])
    positions = np.concatenate([np.arange(begin), *(begin + np.arange(size) for size in sizes)])
    ending = np.repeat(np.arange(len(group) + 1), [begin, *sizes])
    # Of an empty query at the very end of a prompt, nothing is left: the pair ends with its beginning.
    lasts = np.where(sizes > 0, begin + np.cumsum(sizes), begin) - 1
    return np.stack([ids, positions, ending]), lasts


def _mask(ending: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """What is added to attention's scores, (n, 1, L, L): nothing where a token sees another, else the least number."""
    own = ending[:, :, None] == ending[:, None, :]
    seen = (own | (ending == 0)[:, None, :]).tril()
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, torch.finfo(dtype).min)[:, None]
