"""Rows one after the other, as a GPU reads them: the states of the plain model. Attention is done by hand here."""

import numpy as np
import pytest
import tiny_families
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional
from transformers import AutoTokenizer, Qwen3Config, Qwen3Model

from limbeck.inference import reader, unpadded
from limbeck.inference.packed import PackedEncoder
from limbeck.inference.reader import Reader
from limbeck.inference.unpadded import Unpadded
from limbeck.settings import Teacher
from limbeck.teacher import model

torch.set_num_threads(1)
LIMIT = 48
QUERIES = ("red", "blue lamp for the living room", "", "Gewürzregal ☕ 沙发", "sofa " * 60, "a modern\ntea pot")
TEXTS = ("a red sofa, cosy and modern", "", "Ünïcode 沙发 ☕ cosy", "lamp " * 60, "kitchen table", "red")
READ = {"bert-multilingual": True, "xlm-roberta": True, "llama": True, "qwen": True, "mt5": False, "deberta": False}
PIN_FIRST = "Pin:\n{text}\nQuery:\n{query}\nRelevance:"


def by_hand(query, key, value, ends, _, longest, __, *, scale, window_size, **more):
    """Attention within rows by the plain formula: (T, heads, d)."""
    found = torch.empty_like(query)
    for begin, end in zip(ends[:-1].tolist(), ends[1:].tolist()):
        assert end - begin <= longest
        q, k, v = (states[begin:end].transpose(0, 1) for states in (query, key, value))
        k, v = (states.repeat_interleave(len(q) // len(states), dim=0) for states in (k, v))
        causal = window_size == (-1, 0)
        found[begin:end] = functional.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=scale).transpose(
            0, 1
        )
    return found


@pytest.fixture(autouse=True)
def as_on_a_gpu(monkeypatch):
    monkeypatch.setattr(reader, "bf16", lambda: False)
    monkeypatch.setattr(unpadded, "varlen_attn", by_hand)
    monkeypatch.setattr(PackedEncoder, "knows", lambda *_: False)
    monkeypatch.setattr(Unpadded, "knows", lambda read, pooling: pooling in unpadded.POOLED)


@pytest.fixture(scope="module")
def families(tmp_path_factory):
    """The folder of a tiny model by its name."""
    folder = tmp_path_factory.mktemp("families")
    return {name: tiny_families.write(name, folder / name) for name in READ}


def create(folder, **changes):
    return model.create(Teacher(**{"backbone": str(folder), "max_tokens": LIMIT, **changes}), seed=3).eval().float()


@torch.inference_mode()
def plain(teacher, rows):
    """One row at a time through sentence-transformers' own modules."""
    states = [teacher[1](teacher[0](teacher.preprocess([row])))["sentence_embedding"][0] for row in rows]
    return torch.stack(states).numpy()


@pytest.mark.parametrize("name", READ)
def test_pairs_and_texts_are_read_as_by_the_plain_model(families, name):
    teacher = create(families[name])
    some = [text for text in TEXTS if text]
    expected = plain(teacher, list(zip(QUERIES, TEXTS))), plain(teacher, some)
    reads = Reader(teacher)
    found = reads.pairs(QUERIES, TEXTS), reads.texts(some)
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, atol=2e-5)
    assert {kind: flat is not None for kind, flat in reads._flat.items()} == {False: READ[name], True: READ[name]}


@pytest.mark.parametrize("pooling", ["mean", "lasttoken", "cls"])
def test_every_pooling(families, pooling):
    teacher = create(families["bert-multilingual"], pooling=pooling)
    expected = plain(teacher, list(zip(QUERIES, TEXTS)))
    reads = Reader(teacher)
    np.testing.assert_allclose(reads.pairs(QUERIES, TEXTS), expected, atol=2e-5)
    assert reads._flat[True]


def test_pairs_that_share_a_pin_are_read_together_and_the_others_flat(families):
    teacher = create(families["qwen"], prompt=PIN_FIRST)
    queries, texts = QUERIES * 2, (*TEXTS, *TEXTS[:3], "another", "and one more", "the last")
    expected = plain(teacher, list(zip(queries, texts)))
    reads = Reader(teacher)
    np.testing.assert_allclose(reads.pairs(queries, texts), expected, atol=2e-5)
    assert reads._together
    assert reads._flat[True]


@pytest.mark.parametrize("name", ["bert-multilingual", "qwen"])
def test_texts_without_a_token_and_no_texts(families, name):
    reads = Reader(create(families[name]))
    found, some = reads.texts(["red", "", ""]), reads.texts(["red"])
    assert reads.texts([""]).shape == (1, 32)
    np.testing.assert_allclose(found[:1], some, atol=2e-5)
    assert np.isfinite(found).all()
    assert name != "qwen" or not found[1:].any()
    assert reads.pairs([], []).shape == (0, 32)


def test_a_model_is_left_as_it_was(families):
    teacher = create(families["llama"])
    before = teacher[0].model.config._attn_implementation
    Reader(teacher).pairs(QUERIES, TEXTS)
    assert teacher[0].model.config._attn_implementation == before


def test_a_window_is_not_ours(families, tmp_path):
    words = AutoTokenizer.from_pretrained(families["llama"])
    words.save_pretrained(tmp_path)
    window = {"use_sliding_window": True, "max_window_layers": 0, "sliding_window": 8, "head_dim": 16}
    sizes = {**tiny_families.SIZES, "num_key_value_heads": 1, "vocab_size": len(words)}
    Qwen3Model(Qwen3Config(**sizes, **window)).save_pretrained(tmp_path)
    teacher = create(tmp_path)
    reads = Reader(teacher)
    np.testing.assert_allclose(reads.pairs(QUERIES, TEXTS), plain(teacher, list(zip(QUERIES, TEXTS))), atol=2e-5)
    assert not reads._flat[True]


@given(lengths=st.lists(st.integers(1, 200), max_size=200), budget=st.integers(1, 2_000))
def test_batches_hold_every_row_once_and_keep_the_budget(lengths, budget):
    counts = np.asarray(lengths, dtype=np.int64)
    found = unpadded.batches(counts, budget)
    assert sorted(n for rows in found for n in rows.tolist()) == list(range(len(lengths)))
    for rows in found:
        assert len(rows) == 1 or counts[rows].sum() <= budget
