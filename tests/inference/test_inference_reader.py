"""Reading without padding gives the states of the plain model, of every family and pooling."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from longer import longer

from limbeck.inference import packing, reader, tokens
from limbeck.inference.packed import PackedEncoder
from limbeck.inference.reader import Reader
from limbeck.settings import Teacher
from limbeck.teacher import model

FAMILIES = ["bert", "roberta", "xlm-roberta", "deberta-v3", "deberta-v2"]
QUERIES = ["red", "blue lamp for the living room", "", "lamp " * 90, "a modern tea pot", "red " * 80]
TEXTS = ["a red sofa", "lamp " * 50, "", "Ünïcode 沙发 ☕ cosy", "kitchen table, cosy and modern", "sofa " * 81]


def create(folder, pooling="cls", max_tokens=40):
    return model.create(Teacher(backbone=str(folder), pooling=pooling, max_tokens=max_tokens), seed=3).eval()


@torch.inference_mode()
def plain(teacher, rows):
    """One row at a time through sentence-transformers' own modules."""
    states = [teacher[1](teacher[0](teacher.preprocess([row])))["sentence_embedding"][0] for row in rows]
    return torch.stack(states).float().numpy()


@pytest.fixture
def single_precision(monkeypatch):
    monkeypatch.setattr(reader, "bf16", lambda: False)


@pytest.fixture
def half_precision(monkeypatch):
    monkeypatch.setattr(reader, "bf16", lambda: True)


@pytest.mark.parametrize("pooling", [longer("cls"), longer("lasttoken"), "mean"])
@pytest.mark.parametrize("family", FAMILIES)
def test_pairs_are_read_as_by_the_plain_model(encoders, family, pooling, single_precision):
    teacher = create(encoders[family], pooling)
    expected = plain(teacher, list(zip(QUERIES, TEXTS)))
    reads = Reader(teacher)
    assert PackedEncoder.knows(teacher[0].model, pooling)
    found = reads.pairs(QUERIES, TEXTS)
    assert reads._layout(True) is not None  # not by the padded way round
    np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_are_read_as_by_the_plain_model(encoders, family, single_precision):
    teacher = create(encoders[family], "mean")
    expected = plain(teacher, TEXTS)
    reads = Reader(teacher)
    np.testing.assert_allclose(reads.texts(TEXTS), expected, atol=2e-5)
    assert reads._layout(False) is not None


@pytest.mark.parametrize("family", FAMILIES)
def test_nearly_the_same_in_bfloat16(encoders, family, half_precision):
    teacher = create(encoders[family])
    expected = plain(teacher, list(zip(QUERIES, TEXTS)))
    found = Reader(teacher).pairs(QUERIES, TEXTS)
    np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())


def test_a_model_of_another_shape_is_read_padded(encoders, single_precision, monkeypatch):
    teacher = create(encoders["bert"])
    expected = Reader(teacher).pairs(QUERIES, TEXTS)
    monkeypatch.setattr(PackedEncoder, "knows", lambda *_: False)
    np.testing.assert_allclose(Reader(teacher).pairs(QUERIES, TEXTS), expected, atol=2e-5)


def test_a_layout_that_is_not_ours_is_read_padded(encoders, single_precision):
    teacher = create(encoders["bert"])
    expected = Reader(teacher).pairs(QUERIES, TEXTS)
    own = teacher.preprocess
    teacher.preprocess = lambda rows: own([(second, first) for first, second in rows])
    reads = Reader(teacher)
    np.testing.assert_allclose(reads.pairs(TEXTS, QUERIES), expected, atol=2e-5)
    teacher.preprocess = lambda rows: own([(f"{first} and", second) for first, second in rows])
    assert Reader(teacher)._layout(True) is None


def test_a_prompt_may_have_the_second_text_first(encoders, single_precision):
    settings = Teacher(backbone=str(encoders["bert"]), prompt="{text} lamp {query}", max_tokens=40)
    teacher = model.create(settings, seed=3).eval()
    expected = plain(teacher, list(zip(QUERIES, TEXTS)))
    reads = Reader(teacher)
    np.testing.assert_allclose(reads.pairs(QUERIES, TEXTS), expected, atol=2e-5)
    assert reads._layout(True).order == (1, 0)


@pytest.mark.parametrize("limit", [33, 34, 64])
def test_over_long_pairs_are_cut_as_the_tokenizer_cuts_them(encoders, limit):
    teacher = create(encoders["bert"], max_tokens=limit)
    layout = Reader(teacher)._layout(True)
    assert layout is not None
    assert layout.limit == limit


def test_no_rows(encoders):
    assert Reader(create(encoders["bert"])).pairs([], []).shape == (0, 32)


def test_every_row_is_heard_of(encoders):
    done = []
    Reader(create(encoders["bert"])).pairs(QUERIES * 20, TEXTS * 20, done.append)
    assert sum(done) == 20 * len(TEXTS)


def test_threads_are_given_back(encoders):
    before = torch.get_num_threads()
    Reader(create(encoders["bert"])).texts(TEXTS)
    assert torch.get_num_threads() == before


@given(lengths=st.lists(st.integers(1, 200), min_size=1, max_size=200), budget=st.integers(1, 2_000))
def test_batches_hold_every_row_once_and_keep_the_budget(lengths, budget):
    counts = np.asarray(lengths)
    found = packing.batches(counts, budget)
    assert sorted(np.concatenate(found).tolist()) == list(range(len(lengths)))
    for rows in found:
        assert len(rows) == 1 or counts[rows].sum() <= budget
        assert len(set(-(-counts[rows] // packing.MULTIPLE))) == 1


@given(lengths=st.lists(st.integers(3, 90), min_size=1, max_size=300))
def test_products_are_of_few_sizes(lengths):
    """Each new number of rows or tokens of a matrix product is compiled anew."""
    texts = tokens.Ragged(np.arange(max(lengths), dtype=np.int32), np.asarray([0, max(lengths)]))
    layout = tokens.Layout((0,), (np.zeros(0, np.int32),) * 2, (np.zeros(0, np.int64),) * 2, (0,), 512, False)
    counts = np.asarray(lengths)
    rows = tokens.Rows(layout, (texts,), (np.zeros(len(counts), np.int64),), counts[:, None])
    for chosen in packing.batches(counts, 1_024):
        batch, own = packing.pack(rows, chosen, True), counts[chosen]
        assert len(batch.ids) % packing.TOKENS_MULTIPLE == 0
        assert len(batch.firsts) % packing.MULTIPLE == 0
        assert batch.ids[: own.sum()].tolist() == [token for n in own for token in range(n)]
        assert batch.ids[batch.spread].view(batch.shape)[batch.present].tolist() == batch.ids[: own.sum()].tolist()
