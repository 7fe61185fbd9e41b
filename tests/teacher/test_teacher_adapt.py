"""Pre-training on the catalogue's texts: it learns them, and what it leaves behind is a backbone like any other."""

import json

import numpy as np
import pytest
import torch
import toy_trainings
from toy_task import SENTENCES, judged
from transformers import AutoModelForMaskedLM, AutoTokenizer

from limbeck import backbone
from limbeck.errors import InputError
from limbeck.relevance import from_columns
from limbeck.settings import Adapt
from limbeck.teacher import adapt
from limbeck.training import load_transformer


@pytest.fixture(scope="module")
def adapted(tiny_encoder, tmp_path_factory):
    """The tiny encoder after some epochs on the toy sentences."""
    folder = tmp_path_factory.mktemp("adapted")
    toy_trainings.adaptation(tiny_encoder, folder / "out", folder / "scratch", epochs=40)
    return folder / "out"


def weights(folder):
    return load_transformer(str(folder), 32, folder).model.state_dict()


def test_it_learns_what_the_texts_say(adapted):
    noted = json.loads((adapted / "training.json").read_text(encoding="utf-8"))
    assert noted["train"] + noted["valid"] == len(SENTENCES)
    assert noted["valid"] == 2  # a twentieth
    losses = [noted["validation_loss"][step] for step in sorted(noted["validation_loss"], key=int)]
    words = len(AutoTokenizer.from_pretrained(adapted))
    assert min(losses) < losses[0] < np.log(words)  # log(words): by guessing blindly
    assert min(losses) < 0.5 * np.log(words)


def test_the_body_is_what_has_learnt(adapted, tiny_encoder):
    before, after = weights(tiny_encoder), weights(adapted)
    trained = [name for name in after if name.endswith("dense.weight") and "pooler" not in name]
    assert trained
    assert all((after[name] - before[name]).abs().max() > 1e-3 for name in trained)


def test_the_adapted_backbone_is_found_and_loaded(adapted):
    assert backbone.find(str(adapted)) == str(adapted)
    assert {p.suffix for p in adapted.iterdir()} == {".safetensors", ".json"}
    assert all(not name.startswith("cls.") for name in weights(adapted))


@pytest.mark.long
def test_a_teacher_begins_from_it(adapted, tmp_path):
    toy_trainings.teacher(adapted, tmp_path / "teacher", tmp_path / "scratch", learning_rate=1e-9)
    begun, ended = weights(adapted), weights(tmp_path / "teacher")
    for name, values in begun.items():
        if not name.startswith("pooler."):  # which nothing uses, and nobody saved
            torch.testing.assert_close(ended[name], values, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("decoder", "kind"), [("llama left", "llama"), ("gpt2 left", "gpt2")])
def test_decoders_are_refused(decoder, kind, backbones, tmp_path):
    with pytest.raises(InputError, match=f"a {kind} model cannot be adapted, it knows no masked-language modelling"):
        adapt.adapt(SENTENCES, str(backbones[decoder]), Adapt(), 0, tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("texts", [[], [""] * 9, ["red sofa"] * 9])
def test_without_texts_there_is_nothing_to_adapt_to(texts, tiny_encoder, tmp_path):
    with pytest.raises(InputError, match="no texts to adapt the backbone to"):
        adapt.adapt(texts, str(tiny_encoder), Adapt(), 0, tmp_path / "out", tmp_path)


def test_only_a_backbone_without_a_head_gets_a_fresh_one(tiny_encoder, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(adapt, "say", lambda event, *_, **__: said.append(event))
    adapt._load(str(tiny_encoder))
    assert said == ["fresh_head"]
    whole = AutoModelForMaskedLM.from_pretrained(tiny_encoder)
    whole.save_pretrained(tmp_path / "whole")
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(tmp_path / "whole")
    model, _ = adapt._load(str(tmp_path / "whole"))
    assert said == ["fresh_head"]
    torch.testing.assert_close(model.cls.predictions.bias, whole.cls.predictions.bias)
    assert model.get_output_embeddings().weight.data_ptr() == model.get_input_embeddings().weight.data_ptr()


@pytest.fixture(scope="module")
def masked(tiny_encoder):
    """The training texts as rows with gaps, in the epoch that the test sets."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    collator = adapt.DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    tokens = adapt._tokens([*SENTENCES, "sofa"], tokenizer, 32)
    epoch = [1]
    return adapt._Masked(tokens, collator, 7, lambda: epoch[0]), tokens, epoch, tokenizer


def test_masks_follow_from_seed_epoch_and_row(masked):
    rows, _, epoch, _ = masked
    first = [rows[i] for i in range(len(rows))]
    assert [rows[i] for i in reversed(range(len(rows)))] == first[::-1]  # whatever was read before
    epoch[0] = 2
    other = [rows[i] for i in range(len(rows))]
    assert sum(a != b for a, b in zip(first, other)) > len(rows) / 2
    epoch[0] = 1
    assert [rows[i] for i in range(len(rows))] == first


def test_every_row_asks_for_something_and_for_no_special_token(masked):
    rows, tokens, epoch, tokenizer = masked
    asked = total = 0
    for epoch[0] in range(30):
        for i, ids in enumerate(tokens):
            labels = np.asarray(rows[i]["labels"])
            chosen = labels != adapt.IGNORED
            assert chosen.any()
            assert (labels[chosen] == ids[chosen]).all()
            assert not np.isin(labels[chosen], tokenizer.all_special_ids).any()
            untouched = np.asarray(rows[i]["input_ids"])[~chosen]
            assert (untouched == ids[~chosen]).all()
            asked, total = asked + chosen.sum(), total + len(ids) - 2
    epoch[0] = 1
    assert asked / total == pytest.approx(0.15, abs=0.06)  # a little more, as no row asks for nothing


@pytest.mark.long
def test_the_teacher_may_still_learn_after_it(adapted, tmp_path):
    toy_trainings.teacher(adapted, tmp_path / "teacher", tmp_path / "scratch", epochs=10, dropout=0.0)
    noted = json.loads((tmp_path / "teacher" / "training.json").read_text(encoding="utf-8"))
    target, share = from_columns(judged("valid")), from_columns(judged("train")).mean(axis=0)
    guess = -(target * np.log(np.maximum(share, 1e-9))).sum(axis=1).mean()
    assert noted["validation_loss"]["after"] < 0.8 * guess
