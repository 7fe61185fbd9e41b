"""One norm in another's place changes no state, and only where it computes the same."""

import copy

import pytest
import torch
from torch import nn
from transformers import Gemma2Config, Gemma2Model, LlamaConfig, LlamaModel, Qwen3Config, Qwen3Model

from limbeck.inference import norms

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "intermediate_size": 64,
    "vocab_size": 50,
    "pad_token_id": 0,
}


@pytest.mark.parametrize(
    ("config", "model", "count"),
    [(LlamaConfig, LlamaModel, 5), (Qwen3Config, Qwen3Model, 9), (Gemma2Config, Gemma2Model, 0)],
)
@torch.inference_mode()
def test_norms_are_replaced_where_they_compute_the_same(config, model, count):
    torch.manual_seed(0)
    made = model(config(**SIZES)).eval()
    for name, weight in made.named_parameters():
        if "norm" in name:
            weight.normal_(mean=1)
    fused = copy.deepcopy(made)
    norms.fuse(fused)
    assert sum(isinstance(m, nn.RMSNorm) for m in fused.modules()) == count
    ids = torch.arange(1, 21).view(2, 10)
    torch.testing.assert_close(fused(ids).last_hidden_state, made(ids).last_hidden_state, atol=1e-4, rtol=1e-4)
