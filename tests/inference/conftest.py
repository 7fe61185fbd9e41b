"""Tiny encoders of every family that is read without padding."""

import pytest
import torch
from tiny_models import SIZES, write_encoder
from toy_task import SENTENCES
from transformers import (
    AutoTokenizer,
    DebertaV2Config,
    DebertaV2Model,
    RobertaConfig,
    RobertaModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

DISENTANGLED = {
    "relative_attention": True,
    "position_biased_input": False,
    "type_vocab_size": 0,
    "norm_rel_ebd": "layer_norm",
}
KINDS = {
    "roberta": (RobertaModel, RobertaConfig, {}),
    "xlm-roberta": (XLMRobertaModel, XLMRobertaConfig, {}),
    "deberta-v3": (
        DebertaV2Model,
        DebertaV2Config,
        {**DISENTANGLED, "pos_att_type": ["p2c", "c2p"], "share_att_key": True, "position_buckets": 4},
    ),
    "deberta-v2": (DebertaV2Model, DebertaV2Config, {**DISENTANGLED, "pos_att_type": ["c2p", "p2c"]}),
}


@pytest.fixture(scope="session")
def encoders(tmp_path_factory):
    """Folders of tiny encoders by family."""
    folders = {}
    for name in ("bert", *KINDS):
        folders[name] = tmp_path_factory.mktemp("encoders") / name
        write_encoder(folders[name], SENTENCES)
        if name in KINDS:
            _replace_model(folders[name], *KINDS[name])
    return folders


def _replace_model(folder, model, config, settings):
    """Random weights of another family over the same tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(1)
    known = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    model(config(**{**SIZES, "max_position_embeddings": 80, **known, **settings})).save_pretrained(folder)
