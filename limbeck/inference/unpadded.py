"""Transformers models on a GPU, reading batches without padding: rows one after the other in a single long one.

All that a transformer does but attention sees one token at a time. Attention is told where each row ends, which torch's
own kernel for rows of unequal length takes. So nothing is spent on padding, no mask is made, and rows need no sorting.
Models that attend in a way of their own would mix rows up; a trial shows whether a model reads rightly so.
"""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface

from limbeck.inference.tokens import PROBE, Rows

HALF = (torch.bfloat16, torch.float16)  # what the kernel takes
MULTIPLE = 64  # of tokens in a batch: odd numbers of them make matrix products slower
NOT_OURS = ("position_bias", "s_aux", "sliding_window", "softcap")  # said to attention by models that need more of it
NAME = "limbeck_unpadded"
PARTS = ("ids", "types", "positions", "ends")
# Later versions of torch want to be told that several heads of queries share one of keys; earlier ones just see it.
SHARED_HEADS = {"enable_gqa": True} if "enable_gqa" in inspect.signature(varlen_attn).parameters else {}


@dataclass(frozen=True)
class Flat:
    """n rows one after the other, T tokens in all, the last few of which may belong to no row."""

    ids: torch.Tensor  # int64 (1, T)
    types: torch.Tensor  # int64 (1, T)
    positions: torch.Tensor  # int64 (1, T), from 0 in each row
    ends: torch.Tensor  # int32 (n + 1,) or, with tokens of no row, (n + 2,): where each row begins, and the end
    longest: int
    count: int  # n

    def to(self, device: torch.device) -> "Flat":
        """The same there; the copy is under way when this returns."""
        parts = {name: getattr(self, name).to(device, non_blocking=True) for name in PARTS}
        return replace(self, **parts)


class Unpadded:
    """A transformers model and its pooling, over rows without padding."""

    def __init__(self, model: Any, pooling: str) -> None:
        self._model, self._pool = model, POOLED[pooling]
        self._first_position = _first_position(model)
        self._takes = inspect.signature(model.forward).parameters.keys()
        AttentionInterface.register(NAME, _attend)

    @staticmethod
    def knows(model: Any, pooling: str) -> bool:
        """Whether this model and pooling may be read here; that they are read rightly is for a trial to show."""
        takes_positions = "position_ids" in inspect.signature(model.forward).parameters
        return model.device.type == "cuda" and model.dtype in HALF and takes_positions and pooling in POOLED

    def __call__(self, batch: Flat) -> torch.Tensor:
        """The pooled state of each row, (n, H); zeros for a row without a token."""
        there = batch.to(self._model.device)
        given = {
            "position_ids": there.positions + self._first_position,
            "token_type_ids": there.types,
            "use_cache": False,
        }
        taken = {name: value for name, value in given.items() if name in self._takes}
        with _attention(self._model.config):
            read = self._model(input_ids=there.ids, **taken, row_ends=there.ends, longest_row=there.longest)
        pooled, some = self._pool(read.last_hidden_state[0], there.ends), there.ends.diff() > 0
        return pooled.where(some[:, None], 0)[: there.count]


def trial(limit: int, pairs: bool) -> tuple[list[str], ...]:
    """Two rows, one of them as long as the model's reach."""
    long = [" ".join([*PROBE] * limit), PROBE[1]]
    return (list(PROBE), long) if pairs else (long,)


def batches(lengths: np.ndarray, budget: int) -> list[np.ndarray]:
    """Row numbers in batches of at most `budget` tokens or one row, longest first: so memory runs out at once."""
    order = np.argsort(-lengths, kind="stable")
    batch_of, held, number = np.empty(len(order), dtype=np.int64), 0, 0
    for place, length in enumerate(lengths[order].tolist()):
        if held and held + length > budget:
            held, number = 0, number + 1
        batch_of[place], held = number, held + length
    return np.split(order, np.flatnonzero(np.diff(batch_of)) + 1) if len(order) else []


def flat(rows: Rows, chosen: np.ndarray) -> Flat:
    """The batch of the `chosen` rows, in memory from which a GPU copies by itself."""
    lengths = rows.lengths[chosen]
    ends = np.concatenate([[0], np.cumsum(lengths)])
    total = -(-max(1, int(ends[-1])) // MULTIPLE) * MULTIPLE
    bounds = ends if total == ends[-1] else np.append(ends, total)
    positions = np.arange(total) - np.repeat(bounds[:-1], np.diff(bounds))
    found = [np.zeros((1, total), dtype=np.int64) for _ in range(2)]
    found[0][0, : ends[-1]], found[1][0, : ends[-1]] = rows.ids(chosen), rows.types(chosen)
    tensors = (torch.from_numpy(a) for a in (*found, positions[None], bounds.astype(np.int32)))
    pinned = (t.pin_memory() if torch.cuda.is_available() else t for t in tensors)
    return Flat(**dict(zip(PARTS, pinned)), longest=max(int(lengths.max()), MULTIPLE), count=len(chosen))


def _attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    row_ends: torch.Tensor,
    longest_row: int,
    scaling: float | None = None,
    is_causal: bool | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """Attention within rows, as transformers calls it: (1, heads, T, d) to (1, T, heads, d)."""
    if attention_mask is not None or any(more.get(name) is not None for name in NOT_OURS):
        raise ValueError("attention of another kind")
    causal = module.is_causal if is_causal is None else is_causal
    sides = (-1, 0) if causal else (-1, -1)
    q, k, v = (states[0].transpose(0, 1) for states in (query, key, value))
    rows = (row_ends, row_ends, longest_row, longest_row)
    return varlen_attn(q, k, v, *rows, scale=scaling, window_size=sides, **SHARED_HEADS)[None], None


@contextmanager
def _attention(config: Any) -> Iterator[None]:
    """Have a model attend as here: its own way needs masks, which it makes of whole batches."""
    before = config._attn_implementation
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before


def _first_position(model: Any) -> int:
    """RoBERTa and its kin count positions from after the padding's id."""
    for module in model.modules():
        padding = getattr(module, "padding_idx", None)
        if isinstance(padding, int) and isinstance(getattr(module, "position_embeddings", None), torch.nn.Embedding):
            return padding + 1
    return 0


def _mean(states: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
    return torch.segment_reduce(states.float(), "mean", offsets=ends.long())


POOLED = {
    "cls": lambda states, ends: states.index_select(0, ends[:-1].clamp(max=len(states) - 1)),
    "lasttoken": lambda states, ends: states.index_select(0, (ends[1:] - 1).clamp(min=0)),
    "mean": _mean,
}
