"""One text per Pin: within its budget, whatever the tokenizer and the script."""

import dataclasses

import pyarrow as pa
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from limbeck import records
from limbeck.settings import SOURCES, Text
from limbeck.text import compose, cut
from limbeck.workspace import digest_of

CORPUS = [
    "a red garden chair of oak",
    "boards: searched: image: page text: kitchen ideas",
    "日本の庭 的椅子",
    "घर में कुर्सी",
]
ROOMY = Text(max_tokens=10_000)
FIELDS = {
    "title": "Oak chair",
    "description": "A chair of solid oak, oiled by hand.",
    "caption": "a brown chair on grass",
    "board_titles": ["garden", "oak furniture"],
    "engaged_queries": ["wooden chair", "garden chair"],
    "link_title": "Chairs of Ockham",
    "link_description": "We ship everywhere.",
}
PIECES = {
    "title": "Oak chair",
    "caption": "image: a brown chair on grass",
    "engaged_queries": "searched: wooden chair, garden chair",
    "board_titles": "boards: garden, oak furniture",
    "link_title": "page: Chairs of Ockham",
    "description": "A chair of solid oak, oiled by hand.",
    "link_description": "page text: We ship everywhere.",
}
SCRIPTS = [
    "red",
    "Küche",
    "стул",
    "صندلی",
    "می‌خواهم",
    "椅子と庭",
    "เก้าอี้ไม้",
    "कुर्सी",
    "의자",
    "👩‍👩‍👧",
    "e\u0301",
    "x" * 30,
    "—",
    "[SEP]",
]
PHRASES = st.lists(st.sampled_from(SCRIPTS), max_size=12).map(" ".join)
LISTS = st.lists(PHRASES, max_size=6)
DOCUMENTS = st.fixed_dictionaries(
    {s: LISTS if s in ("board_titles", "engaged_queries") else st.none() | PHRASES for s in SOURCES}
)


def byte_pairs() -> Tokenizer:
    """As GPT-2's and Llama 3's: bytes, words with the space before them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet))
    return tokenizer


def word_pieces() -> Tokenizer:
    """As BERT's: lower case, accents stripped, ideographs apart."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[UNK]", "[SEP]"]
    tokenizer.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=200, special_tokens=special))
    return tokenizer


def unsplit_pairs() -> Tokenizer:
    """Merges across spaces: a text cut anywhere may have more tokens than it had within the whole."""
    tokenizer = Tokenizer(models.BPE(unk_token="?"))
    tokenizer.train_from_iterator(CORPUS * 3, trainers.BpeTrainer(vocab_size=400, special_tokens=["?"]))
    return tokenizer


TOKENIZERS = {"bytes": byte_pairs(), "pieces": word_pieces(), "unsplit": unsplit_pairs(), "none": None}


def count(text: str, tokenizer: Tokenizer | None) -> int:
    return len(cut.tokens(text)) if tokenizer is None else len(tokenizer.encode(text, add_special_tokens=False))


def pin_texts(*documents: dict) -> pa.Table:
    rows = [{"pin_id": f"p{i}", "digest": "", **d} for i, d in enumerate(documents)]
    return pa.Table.from_pylist(rows, schema=records.schema("pin_texts"))


def test_every_source_in_order_of_priority():
    assert compose.compose_one(FIELDS, ROOMY, None) == " | ".join(PIECES.values())


@pytest.mark.parametrize("title", ["Oak chair", "  two  spaces\n", "椅子 — ©™ e\u0301", "boards: a | page: b"])
@pytest.mark.parametrize("name", TOKENIZERS)
def test_a_title_alone_is_the_text(title, name):
    for fields in ({"title": title}, {"title": title, "description": " ", "board_titles": [], "caption": None}):
        assert compose.compose_one(fields, Text(), TOKENIZERS[name]) == title


def test_a_document_without_texts_has_an_empty_one():
    assert compose.compose_one({}, Text(), None) == ""


@pytest.mark.parametrize("off", SOURCES)
def test_a_source_switched_off_is_all_that_goes(off):
    without = dataclasses.replace(ROOMY, sources=tuple(s for s in SOURCES if s != off))
    assert compose.compose_one(FIELDS, without, None) == " | ".join(p for s, p in PIECES.items() if s != off)


def test_what_was_said_is_not_repeated():
    fields = {
        "title": "Oak Chair by Ockham",
        "caption": "oak chair BY Ockham",
        "engaged_queries": ["oak chair by ockham", "oak chair", "oak chair"],
        "board_titles": ["Oak  chair", "oak"],
        "link_title": "by Ockham",
        "description": "Oak Chair by Ockham, oiled",
    }
    text = "Oak Chair by Ockham | searched: oak chair | boards: oak | Oak Chair by Ockham, oiled"
    assert compose.compose_one(fields, ROOMY, None) == text
    untitled = dataclasses.replace(ROOMY, sources=("link_title",))
    assert compose.compose_one(fields, untitled, None) == "page: by Ockham"


@pytest.mark.parametrize(
    ("budget", "text"),
    [
        (16, "oak | boards: one two, three four, five | six seven eight nine"),
        (14, "oak | boards: one two, three four | six seven eight nine"),
        (12, "oak | boards: one two | six seven eight nine"),
        (6, "oak | six seven eight"),
        (1, "oak"),
        (0, ""),
    ],
)
def test_lists_lose_whole_items_and_texts_whole_words(budget, text):
    fields = {"title": "oak", "board_titles": ["one two", "three four", "five"], "description": "six seven eight nine"}
    assert compose.compose_one(fields, Text(max_tokens=budget), None) == text


@given(DOCUMENTS, st.integers(0, 60), st.sampled_from(list(TOKENIZERS)))
def test_never_over_budget_and_nothing_harmed(fields, budget, name):
    tokenizer = TOKENIZERS[name]
    text = compose.compose_one(fields, Text(max_tokens=budget), tokenizer)
    assert count(text, tokenizer) <= budget
    whole = compose.compose_one(fields, ROOMY, tokenizer)
    assert text == whole or count(whole, tokenizer) > budget
    graphemes = set(regex.findall(r"\X", whole))
    assert set(regex.findall(r"\X", text)) <= graphemes


@given(st.lists(DOCUMENTS, max_size=5), st.sampled_from(list(TOKENIZERS)))
def test_a_table_is_composed_as_its_documents_are(documents, name):
    rows = compose.compose(pin_texts(*documents), Text(max_tokens=20), TOKENIZERS[name])
    assert rows.schema.equals(records.schema("composed"))
    assert rows.column("pin_id").to_pylist() == [f"p{i}" for i in range(len(documents))]
    texts = [compose.compose_one(d, Text(max_tokens=20), TOKENIZERS[name]) for d in documents]
    assert rows.column("text").to_pylist() == texts
    assert rows.column("digest").to_pylist() == [digest_of(t) for t in texts]


def test_the_title_is_served_first_and_lists_starve_nobody():
    long = {
        **FIELDS,
        "engaged_queries": [f"query {i}" for i in range(50)],
        "board_titles": [f"b {i}" for i in range(50)],
    }
    text = compose.compose_one(long, Text(max_tokens=60), None)
    for source in ("title", "caption", "link_title"):
        assert PIECES[source] in text
    assert "searched: query 0, query 1" in text
    assert "boards: b 0" in text
    assert "A chair of solid oak" in text


def test_a_truncating_tokenizer_is_left_as_it_is():
    tokenizer = word_pieces()
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=9)
    assert compose.compose_one(FIELDS, ROOMY, tokenizer) == " | ".join(PIECES.values())
    assert tokenizer.truncation["max_length"] == 3
    assert tokenizer.padding["length"] == 9
