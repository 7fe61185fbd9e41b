"""DeBERTa's attention to relative positions (arXiv 2006.03654, equation 4) without gathering.

A token's score with another has two parts that depend on their distance alone on one side: content to position and
position to content. Both are products with one row per distance, from −(L−1) to L−1, laid out so that the row of a
distance falls on the diagonal where it is needed: a view with other strides takes the place of the plain model's gather
of L² indices, and the projected positions are computed once per model instead of once per batch.
"""

from typing import Any

import torch
from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position


class RelativePositions:
    """The positional part of all layers' attention scores."""

    def __init__(self, model: Any, scale: float) -> None:
        self._encoder, self._scale = model.encoder, scale
        self._inner = [layer.attention.self for layer in model.encoder.layer]
        self._projected: dict[tuple[int, int], tuple[torch.Tensor, torch.Tensor]] = {}

    @staticmethod
    def knows(config: Any) -> bool:
        """Whether this is DeBERTa as version 3 has it: both parts, and no convolution."""
        both = set(config.pos_att_type or ()) == {"c2p", "p2c"}
        return bool(both and config.relative_attention and not getattr(config, "conv_kernel_size", 0))

    def bias(self, q: torch.Tensor, k: torch.Tensor, number: int) -> torch.Tensor:
        """The positional scores of layer `number`: queries (scaled) and keys (n, heads, L, d) to (n, heads, L, L)."""
        rows, heads, width, _ = q.shape
        keys, queries = self._positions(number, width)
        from_query = torch.matmul(q, keys)  # (n, heads, L, 2L − 1): column c is of the distance i − j = L − 1 − c
        from_key = torch.matmul(k, queries)  # column c is of the distance i − j = c − (L − 1)
        step = 2 * width - 1
        outer = (heads * width * step, width * step)
        c2p = from_query.as_strided((rows, heads, width, width), (*outer, step - 1, 1), width - 1)
        p2c = from_key.as_strided((rows, heads, width, width), (*outer, 1, step - 1), width - 1)
        return c2p + p2c

    def _positions(self, number: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and (scaled) queries of the distances L−1 … −(L−1) and −(L−1) … L−1: each (heads, d, 2L − 1)."""
        if (number, width) not in self._projected:
            self._projected[number, width] = self._project(number, width)
        return self._projected[number, width]

    def _project(self, number: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
        inner, encoder = self._inner[number], self._encoder
        distances, span = torch.arange(width - 1, -width, -1), inner.pos_ebd_size
        if inner.position_buckets > 0:
            distances = make_log_bucket_position(distances, inner.position_buckets, inner.max_relative_positions).long()
        table = encoder.get_rel_embedding()[: 2 * span][(distances + span).clamp(0, 2 * span - 1)]
        shared = inner.share_att_key
        keys = (inner.key_proj if shared else inner.pos_key_proj)(table)
        queries = (inner.query_proj if shared else inner.pos_query_proj)(table).flip(0) * self._scale
        keys, queries = (t.view(len(table), inner.num_attention_heads, -1).permute(1, 2, 0) for t in (keys, queries))
        return keys.contiguous(), queries.contiguous()
