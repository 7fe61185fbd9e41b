"""BERT-shaped encoders on CPU, reading batches without padding: what OpenVINO does for them, and a little more.

Against the plain model: no padded token in any matrix product, one product for query, key and value, batches that stay
in the core's cache, and in the last layer only the state that pooling takes. In bfloat16, weights are laid out once for
oneDNN, with GELU and residual sums inside the products; in float32, `fused.py` does all that stands between products.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from limbeck.inference import fused
from limbeck.inference.disentangled import RelativePositions
from limbeck.inference.packing import Packed

FAMILIES = ("bert", "roberta", "xlm-roberta", "deberta-v2")
Bias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def _has_bf16_products() -> bool:
    """Whether oneDNN multiplies bfloat16 here: it needs AVX-512 or better. In float32 it gained nothing over MKL."""
    mkldnn = torch.ops.mkldnn
    return hasattr(mkldnn, "_reorder_linear_weight") and mkldnn._is_mkldnn_bf16_supported()


class Linear:
    """`activation(x @ weight.T + bias)`, in bfloat16 with the weight laid out once for oneDNN where that can be had."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, gelu: bool = False) -> None:
        self._weight, self._bias, self._gelu = weight.detach().contiguous(), bias.detach().contiguous(), gelu
        self._single = weight.dtype == torch.float32
        self._onednn = weight.dtype == torch.bfloat16 and _has_bf16_products()
        if self._onednn:
            self._weight = torch.ops.mkldnn._reorder_linear_weight(self._weight)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(T, in) to (T, out)."""
        if self._onednn:
            kind, how = ("gelu", "none") if self._gelu else ("none", None)
            return torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, kind, [], how)
        if self._single and self._gelu:
            product = torch.mm(x, self._weight.t())
            fused.gelu(product.numpy(), self._bias.numpy())
            return product
        y = functional.linear(x, self._weight, self._bias)
        return functional.gelu(y) if self._gelu else y

    def normalised(self, x: torch.Tensor, residual: torch.Tensor, norm: nn.LayerNorm) -> torch.Tensor:
        """The product and `residual` (T, out), summed and normalised."""
        if self._single:
            product, scaling = torch.mm(x, self._weight.t()), (norm.weight.detach().numpy(), norm.bias.detach().numpy())
            given = self._bias.numpy(), residual.numpy(), *scaling, np.float32(norm.eps)
            fused.add_and_normalise(product.numpy(), *given)
            return product
        return norm(self._plus(x, residual))

    def _plus(self, x: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        if self._onednn:
            return torch.ops.mkldnn._linear_pointwise.binary(x, residual, self._weight, self._bias, "add")
        return functional.linear(x, self._weight, self._bias) + residual


class _Layer:
    """One layer's products, the query's weights scaled so that attention needs no scaling."""

    def __init__(self, layer: nn.Module, scale: float) -> None:
        inner = layer.attention.self
        q, k, v = (getattr(inner, n, None) or getattr(inner, f"{n}_proj") for n in ("query", "key", "value"))
        self.query = Linear(q.weight * scale, q.bias * scale)
        self.key_value = Linear(torch.cat([k.weight, v.weight]), torch.cat([k.bias, v.bias]))
        parts = ((q.weight * scale, k.weight, v.weight), (q.bias * scale, k.bias, v.bias))
        self.all = Linear(torch.cat(parts[0]), torch.cat(parts[1]))
        self.out = Linear(layer.attention.output.dense.weight, layer.attention.output.dense.bias)
        self.up = Linear(layer.intermediate.dense.weight, layer.intermediate.dense.bias, gelu=True)
        self.down = Linear(layer.output.dense.weight, layer.output.dense.bias)
        self.norms = (layer.attention.output.LayerNorm, layer.output.LayerNorm)

    def feed_forward(self, attended: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """The layer after its attention: (T, H) and the layer's input to its output."""
        x = self.out.normalised(attended, x, self.norms[0])
        return self.down.normalised(self.up(x), x, self.norms[1])


class PackedEncoder:
    """The encoder of a Hugging Face model of one of `FAMILIES`; its pooled states are those of the plain model."""

    def __init__(self, model: Any, pooling: str) -> None:
        config = model.config
        self._embeddings, self._pooling = model.embeddings, pooling
        self._heads, self._size = config.num_attention_heads, config.hidden_size // config.num_attention_heads
        disentangled = config.model_type == "deberta-v2"
        kinds = 1 + (len(set(config.pos_att_type)) if disentangled else 0)
        self._layers = [_Layer(layer, 1 / math.sqrt(self._size * kinds)) for layer in model.encoder.layer]
        self._relative = RelativePositions(model, 1 / math.sqrt(self._size * kinds)) if disentangled else None
        # RoBERTa counts positions from after the padding's id.
        self._first_position = config.pad_token_id + 1 if "roberta" in config.model_type else 0

    @staticmethod
    def knows(model: Any, pooling: str) -> bool:
        """Whether this model and pooling can be read here."""
        config = model.config
        ordinary = config.model_type in FAMILIES and config.hidden_act == "gelu" and pooling in POOLED
        if config.model_type == "deberta-v2":
            return ordinary and RelativePositions.knows(config)
        return (
            ordinary and getattr(config, "position_embedding_type", "absolute") == "absolute" and not config.is_decoder
        )

    @property
    def has_types(self) -> bool:
        """Whether the model tells the texts of a pair apart by token types."""
        return getattr(self._embeddings, "token_type_embeddings", None) is not None

    def __call__(self, batch: Packed) -> torch.Tensor:
        """The pooled state of each row, (n, H)."""
        x = self._embed(batch)
        mask = torch.zeros(batch.shape, dtype=x.dtype).masked_fill_(~batch.present, torch.finfo(x.dtype).min)
        mask = mask[:, None, None, :]
        for number, layer in enumerate(self._layers[:-1]):
            x = layer.feed_forward(self._attend(layer.all(x), batch, mask, number), x)
        return POOLED[self._pooling](self, x, batch, mask)[: len(batch.present)]

    def _embed(self, batch: Packed) -> torch.Tensor:
        """(T, H): the sum of the tables' rows, normalised."""
        tables = self._embeddings
        x = functional.embedding(batch.ids, tables.word_embeddings.weight)
        if getattr(tables, "position_embeddings", None) is not None:
            x = x + functional.embedding(batch.positions + self._first_position, tables.position_embeddings.weight)
        if self.has_types:
            x = x + functional.embedding(batch.types, tables.token_type_embeddings.weight)
        if getattr(tables, "embed_proj", None) is not None:
            x = tables.embed_proj(x)
        return tables.LayerNorm(x)

    def _attend(self, qkv: torch.Tensor, batch: Packed, mask: torch.Tensor, number: int) -> torch.Tensor:
        """Attention of all tokens of each row to each other: (T, 3H) to (T, H)."""
        rows, width = batch.shape
        spread = qkv.index_select(0, batch.spread).view(rows, width, 3, self._heads, self._size)
        q, k, v = spread.permute(2, 0, 3, 1, 4)
        if self._relative is not None:
            mask = self._relative.bias(q, k, number) + mask
        found = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=1.0)
        return found.transpose(1, 2).reshape(rows * width, -1).index_select(0, batch.gather)

    def _mean(self, x: torch.Tensor, batch: Packed, mask: torch.Tensor) -> torch.Tensor:
        """The mean of all states of the last layer."""
        last = self._layers[-1]
        x = last.feed_forward(self._attend(last.all(x), batch, mask, len(self._layers) - 1), x).float()
        spread = x.index_select(0, batch.spread).view(*batch.shape, -1) * batch.present[:, :, None]
        return spread.sum(dim=1) / batch.present.sum(dim=1, keepdim=True)

    def _first(self, x: torch.Tensor, batch: Packed, mask: torch.Tensor) -> torch.Tensor:
        return self._one(x, batch, mask, batch.firsts)

    def _last(self, x: torch.Tensor, batch: Packed, mask: torch.Tensor) -> torch.Tensor:
        return self._one(x, batch, mask, batch.lasts)

    def _one(self, x: torch.Tensor, batch: Packed, mask: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """The last layer's state at one place of each row: all other states there are never computed."""
        last, (rows, width) = self._layers[-1], batch.shape
        if self._relative is not None:
            whole = self._attend(last.all(x), batch, mask, len(self._layers) - 1)
            return last.feed_forward(whole.index_select(0, places), x.index_select(0, places))
        own = x.index_select(0, places)
        q = last.query(own)[:rows].view(rows, 1, self._heads, self._size).transpose(1, 2)
        spread = last.key_value(x).index_select(0, batch.spread)
        k, v = spread.view(rows, width, 2, self._heads, self._size).permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=1.0)
        attended = functional.pad(found.reshape(rows, -1), (0, 0, 0, len(own) - rows))
        return last.feed_forward(attended, own)


POOLED = {"cls": PackedEncoder._first, "lasttoken": PackedEncoder._last, "mean": PackedEncoder._mean}
