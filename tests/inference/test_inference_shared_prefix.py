"""Several queries behind one Pin, read once: the states that each pair has alone, from every kind of decoder."""

import numpy as np
import pytest
import tiny_families
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, FalconConfig, FalconModel, GPT2Config, GPT2Model, Qwen3Config, Qwen3Model

from limbeck.inference import reader, shared_prefix
from limbeck.inference.reader import Reader
from limbeck.inference.shared_prefix import SharedPrefix
from limbeck.settings import Teacher
from limbeck.teacher import model

torch.set_num_threads(1)
PIN_FIRST = "Pin:\n{text}\nQuery:\n{query}\nRelevance:"
PROMPTS = (PIN_FIRST, "{text}\n{query}", "Pin: {text} <|im_end|>Query: {query}")
QUERIES = ("red", "blue lamp for the living room", "", "Gewürzregal ☕ 沙发", "sofa " * 60, "a modern\ntea pot")
TEXTS = ("a red sofa, cosy and modern", "", "Ünïcode 沙发 ☕ cosy", "lamp " * 60, "kitchen table\nRelevance:")
LIMIT = 48
WINDOW = {"use_sliding_window": True, "max_window_layers": 0, "num_key_value_heads": 1, "head_dim": 16}
OTHERS = {  # over the tokenizer of the tiny Llama: class, configuration, and whether it can be read so
    "absolute positions": (GPT2Model, GPT2Config, {}, True),
    "a window as wide as its reach": (Qwen3Model, Qwen3Config, {**WINDOW, "sliding_window": LIMIT}, True),
    "a narrow window": (Qwen3Model, Qwen3Config, {**WINDOW, "sliding_window": 8}, False),
    "distances for positions": (FalconModel, FalconConfig, {"alibi": True}, False),
}


@pytest.fixture(scope="module")
def families(tmp_path_factory):
    """The folder of a tiny decoder by its name."""
    folder = tmp_path_factory.mktemp("decoders")
    return {name: tiny_families.write(name, folder / name) for name in ("llama", "qwen")}


@pytest.fixture(autouse=True)
def single_precision(monkeypatch):
    monkeypatch.setattr(reader, "bf16", lambda: False)


def reading(folder, prompt=PIN_FIRST, **changes):
    return Reader(
        model.create(Teacher(**{"backbone": str(folder), "prompt": prompt, "max_tokens": LIMIT} | changes), 3)
    )


@pytest.fixture(scope="module")
def readers(families):
    """Every family by every prompt, its trial behind it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "bf16", lambda: False)
        made = {(name, p): reading(families[name], p) for name in families for p in PROMPTS}
    for one in made.values():
        one.lengths(["red"], ["sofa"])
    return made


@pytest.fixture
def rows_read(monkeypatch):
    """How many pairs were in each row that was read for several."""
    counts, read = [], SharedPrefix.__call__

    def counting(self, rows, groups):
        counts.extend(len(group) for group in groups)
        return read(self, rows, groups)

    monkeypatch.setattr(SharedPrefix, "__call__", counting)
    return counts


@torch.inference_mode()
def apart(reads, queries, texts):
    """Each pair in a row of its own, by sentence-transformers' own modules."""
    read = reads._model[0](reads._model.preprocess(list(zip(queries, texts))))
    return reads._model[1](read)["sentence_embedding"].numpy()


PAIRS = st.lists(st.tuples(st.sampled_from(QUERIES) | st.text(max_size=8), st.sampled_from(TEXTS)), max_size=8)


@pytest.mark.parametrize("name", ["llama", "qwen"])
@settings(max_examples=8)
@given(pairs=PAIRS, prompt=st.sampled_from(PROMPTS), endings=st.sampled_from([1, 20, 1_024]))
def test_pairs_have_the_states_they_have_alone(readers, name, pairs, prompt, endings):
    pairs = [("red", "sofa"), ("", "sofa"), *pairs]
    queries, texts = zip(*pairs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared_prefix, "TOKENS_OF_ENDINGS", endings)
        found = readers[name, prompt].pairs(queries, texts)
    np.testing.assert_allclose(found, apart(readers[name, prompt], queries, texts), atol=1e-4)


def test_a_pin_is_read_once_for_all_its_queries(readers, rows_read):
    pairs = [(query, text) for query in QUERIES[:3] for text in TEXTS[:2]]  # not even beside each other
    readers["qwen", PIN_FIRST].pairs(*zip(*pairs, ("red", "a Pin with one query")))
    assert rows_read == [3, 3]


def test_a_pin_cut_for_a_long_query_is_another_beginning(readers, rows_read):
    queries = ["red", "sofa", "a longer one than those", "red lamp"]
    readers["llama", PIN_FIRST].pairs(queries, ["lamp " * 60] * 4)
    assert rows_read == [2]


def test_very_many_queries_take_several_rows(readers, rows_read):
    queries = [f"lamp {n}" for n in range(400)]
    found = readers["llama", PIN_FIRST].pairs(queries, ["a red sofa"] * 400)
    assert sum(rows_read) == 400
    assert len(rows_read) > 2
    np.testing.assert_allclose(found[-1:], apart(readers["llama", PIN_FIRST], queries[-1:], ["a red sofa"]), atol=1e-4)


def test_every_pair_is_heard_of(readers):
    done = []
    readers["llama", PIN_FIRST].pairs(["red", "blue", "green"], ["sofa", "sofa", "lamp"], done.append)
    assert sum(done) == 3


def test_no_pairs(readers):
    assert readers["qwen", PIN_FIRST].pairs([], []).shape == (0, 32)


@pytest.mark.parametrize("changes", [{"prompt": "{query}\n{text}"}, {"pooling": "mean"}])
def test_what_shares_nothing_is_read_padded(families, rows_read, changes):
    reads = reading(families["qwen"], **changes)
    found = reads.pairs(QUERIES[:3], TEXTS[:1] * 3)
    assert not rows_read
    np.testing.assert_allclose(found, apart(reads, QUERIES[:3], TEXTS[:1] * 3), atol=1e-4)


@pytest.mark.parametrize("kind", OTHERS)
def test_other_decoders_are_tried_before_they_are_trusted(families, tmp_path, kind):
    make, config, own, together = OTHERS[kind]
    tokenizer = AutoTokenizer.from_pretrained(families["llama"])
    tokenizer.save_pretrained(tmp_path)
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    torch.manual_seed(0)
    make(config(vocab_size=len(tokenizer), **ends, **tiny_families.SIZES, **own)).save_pretrained(tmp_path)
    reads = reading(tmp_path)
    found = reads.pairs(QUERIES[:3], TEXTS[:1] * 3)
    assert (reads._layout(True) is not None) == together
    np.testing.assert_allclose(found, apart(reads, QUERIES[:3], TEXTS[:1] * 3), atol=1e-4)


def test_a_layout_that_is_not_ours_is_read_padded(families, rows_read):
    teacher = model.create(Teacher(backbone=str(families["llama"]), prompt=PIN_FIRST, max_tokens=LIMIT), 3)
    own = teacher.preprocess
    teacher.preprocess = lambda pairs: own([(f"{query} and", text) for query, text in pairs])
    found = Reader(teacher).pairs(QUERIES[:3], TEXTS[:1] * 3)
    assert not rows_read
    expected = apart(Reader(teacher), QUERIES[:3], TEXTS[:1] * 3)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_nearly_the_same_in_bfloat16(families, readers, rows_read, monkeypatch):
    monkeypatch.setattr(reader, "bf16", lambda: True)
    found = reading(families["qwen"]).pairs(QUERIES[:3], TEXTS[:1] * 3)
    assert rows_read == [2, 3]  # the trial, and these
    exact = apart(readers["qwen", PIN_FIRST], QUERIES[:3], TEXTS[:1] * 3)
    np.testing.assert_allclose(found, exact, atol=0.05 * np.abs(exact).max())
