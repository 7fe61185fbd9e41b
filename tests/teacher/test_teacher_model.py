"""The teacher's modules, and what they are made of."""

import shutil

import pytest
import torch
from torch import nn
from transformers import BertModel

from limbeck.errors import InputError
from limbeck.settings import Teacher
from limbeck.teacher import model


def create(backbone, seed=0, **settings):
    return model.create(Teacher(backbone=str(backbone), **{"max_tokens": 32, **settings}), seed)


def test_a_language_model_a_pooling_and_a_small_network_to_five_logits(tiny_encoder):
    teacher = create(tiny_encoder, pooling="mean", head="softmax")
    transformer, pooling, hidden, logits = teacher
    assert [type(m).__name__ for m in (transformer, pooling, hidden, logits)] == [
        "Transformer",
        "Pooling",
        "Dense",
        "Dense",
    ]
    assert pooling.pooling_mode == "mean"
    assert isinstance(hidden.activation_function, nn.Tanh)
    assert (logits.in_features, logits.out_features) == (32, 5)
    assert set(teacher(teacher.preprocess([("red", "lamp")]))) >= {"sentence_embedding", "scores"}


def test_dropout_is_that_of_the_settings(tiny_encoder):
    teacher = create(tiny_encoder, dropout=0.25)
    assert {m.p for m in teacher.modules() if isinstance(m, nn.Dropout)} == {0.25}


def test_the_seed_decides_the_head(tiny_encoder):
    first, again, other = (create(tiny_encoder, seed)[3].linear.weight for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_half_precision_weights_are_trained_in_single_precision(tiny_encoder, tmp_path):
    half = tmp_path / "half"
    shutil.copytree(tiny_encoder, half)
    BertModel.from_pretrained(tiny_encoder, dtype=torch.bfloat16).save_pretrained(half)
    assert {p.dtype for p in create(half).parameters()} == {torch.float32}


def test_more_tokens_than_the_backbone_reads_are_refused(tiny_encoder):
    with pytest.raises(InputError, match="at most 64 tokens, not 65"):
        create(tiny_encoder, max_tokens=65)


@pytest.mark.parametrize("decoder", ["llama left", "llama right", "gpt2 left"])
def test_padding_comes_last_and_is_not_looked_at(decoder, backbones):
    teacher = create(backbones[decoder], pooling="lasttoken")
    short, long = ("red", "lamp"), ("blue", "kitchen table, cosy and modern")
    together = teacher.preprocess([short, long])
    assert together["attention_mask"][0].diff().max() == 0  # ones, then zeros
    assert not together["attention_mask"][0].all()
    alone = teacher.eval()(teacher.preprocess([short]))["scores"]
    torch.testing.assert_close(teacher(together)["scores"][:1], alone, atol=1e-5, rtol=0)
