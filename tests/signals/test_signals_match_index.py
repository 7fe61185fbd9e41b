"""The index: the same offline, online and in bulk; the same bytes; nothing in it that can run."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from match_worlds import any_pin, opened, passing_index, pin_texts

from limbeck import lookup
from limbeck.signals import grams, match_index
from limbeck.workspace import digest_of

WORDS = ["oak", "table", "oaktable", "lamp", "lapm", "12", "1/2", "deck", "over", "deckover", "黒猫", "grün", "zebra"]
PINS = [
    {"title": "Oak table 12 in", "board_titles": ["living room", "oak"], "caption": "a brown table"},
    {},
    {"title": "lamp", "description": "A lamp for the oak table", "engaged_queries": ["table lamp"]},
    {"link_title": "黒猫の写真", "link_description": "deck over"},
]

text = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
pin = any_pin(text)


@given(st.lists(text, min_size=1, max_size=6), st.lists(pin, min_size=1, max_size=5), st.data())
def test_one_query_many_pairs_and_documents_agree_bit_for_bit(queries, pins, data):
    with passing_index(pins) as index:
        asked = data.draw(st.lists(st.tuples(st.sampled_from(queries), st.integers(-1, len(pins) - 1)), min_size=1))
        bulk = index.pairs([q for q, _ in asked], np.array([r for _, r in asked]))
        for (query, row), found in zip(asked, bulk):
            assert np.array_equal(found, index.features(query, np.array([row]))[0])
            if row >= 0:
                assert np.array_equal(found, index.features_of(query, [pins[row]])[0])


@given(text, st.lists(pin, min_size=2, max_size=5), st.randoms())
def test_order_and_company_of_candidates_change_nothing(query, pins, random):
    with passing_index(pins) as index:
        order = list(range(len(pins)))
        random.shuffle(order)
        alone = np.concatenate([index.features(query, np.array([row])) for row in order])
        assert np.array_equal(alone, index.features(query, np.array(order)))
        assert np.array_equal(alone, index.features_of(query, [pins[row] for row in order]))


@given(text, st.lists(pin, min_size=2, max_size=5), st.randoms())
def test_the_order_of_pins_in_the_index_changes_nothing(query, pins, random):
    order = list(range(len(pins)))
    random.shuffle(order)
    with passing_index(pins) as index, passing_index([pins[i] for i in order]) as shuffled:
        assert np.array_equal(index.features(query, np.array(order)), shuffled.features(query, np.arange(len(pins))))


def test_unknown_words_are_those_that_the_index_lacks(index):
    made = index(*PINS)
    place = made.names.index("query.unknown_terms")
    documents = [{"title": "zebra"}, {"title": "oak"}, {}]
    assert made.features_of("oak zebra", documents)[:, place].tolist() == [0.5, 0.5, 0.5]
    assert made.features("oak zebra", np.arange(3))[:, place].tolist() == [0.5, 0.5, 0.5]


def test_documents_may_have_fields_of_no_interest_and_none(index):
    made = index(*PINS)
    document = {"title": "oak", "price": 3, "description": None, "board_titles": ("living room",)}
    plain = {"title": "oak", "board_titles": ["living room"]}
    assert np.array_equal(made.features_of("oak", [document]), made.features_of("oak", [plain]))
    assert made.features_of("oak", []).shape == (0, len(made.names))


def test_rows_of_pins(index):
    made = index(*PINS)
    assert made.pin_ids == ["0", "1", "2", "3"]
    assert made.rows(["2", "nobody", "0"]).tolist() == [2, -1, 0]
    assert made.rows([]).tolist() == []
    assert made.pairs([], made.rows([])).shape == (0, len(made.names))


def test_ideal_is_the_bm25_of_each_word_once_in_a_text_of_mean_length(index):
    made = index({"title": "oak table"}, {"title": "red lamp"})
    found = made.features("oak table", np.array([0]))[0, made.names.index("all.bm25")]
    assert made.ideal("oak table") == pytest.approx(found)


@pytest.mark.parametrize("pins", [[], [{}], [{}, {"title": "?!"}], PINS])
def test_an_index_of_little_or_nothing_answers(index, pins):
    made = index(*pins)
    found = made.features("oak", np.arange(-1, len(pins)))
    assert found.shape == (len(pins) + 1, len(made.names))
    assert np.isfinite(found).all()


def test_the_same_pins_make_the_same_bytes_however_they_are_batched(tmp_path):
    for name, batches in (("a", [pin_texts(PINS)]), ("b", [pin_texts(PINS[:1]), pin_texts(PINS[1:], range(1, 4))])):
        (tmp_path / name).mkdir()
        match_index.build(batches, tmp_path / name)
    files = sorted(f.name for f in (tmp_path / "a").iterdir())
    assert files == sorted(f.name for f in (tmp_path / "b").iterdir())
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)


def said(pins):
    """Rows of pin_texts with the digests of what they say, by pin_id → fields."""
    rows = pin_texts(pins.values(), pins)
    digests = [digest_of(json.dumps(fields, sort_keys=True)) for fields in pins.values()]
    return rows.set_column(rows.column_names.index("digest"), "digest", pa.array(digests, pa.string()))


CATALOGUES = st.dictionaries(st.sampled_from("abcdefgh"), pin, max_size=6)


@given(CATALOGUES, CATALOGUES)
def test_over_an_index_before_it_is_the_same_bytes_as_anew(first, second):
    with tempfile.TemporaryDirectory() as folder:
        before, over, anew = (Path(folder, name) for name in ("before", "over", "anew"))
        for out in (before, over, anew):
            out.mkdir()
        match_index.build([said(first)], before)
        match_index.build([said(second).slice(0, 2), said(second).slice(2)], over, before)
        match_index.build([said(second)], anew)
        for file in anew.iterdir():
            assert (over / file.name).read_bytes() == file.read_bytes(), file.name


def test_only_pins_that_say_something_else_are_read(tmp_path, monkeypatch):
    for name in ("before", "over", "unknown"):
        (tmp_path / name).mkdir()
    pins = {"a": {"title": "red sofa"}, "b": {"title": "oak"}}
    match_index.build([said(pins)], tmp_path / "before")
    read, add = [], match_index._Builder.add
    monkeypatch.setattr(match_index._Builder, "add", lambda self, row: read.append(row["title"]) or add(self, row))
    match_index.build(
        [said({**pins, "b": {"title": "elm"}, "c": {"title": "ash"}})], tmp_path / "over", tmp_path / "before"
    )
    assert read == ["elm", "ash"]
    match_index.build([pin_texts(pins.values(), pins)], tmp_path / "unknown", tmp_path / "over")
    assert read[2:] == ["red sofa", "oak"]  # no digest says what they say


def test_the_folder_holds_no_pickle(tmp_path):
    opened(PINS, tmp_path / "match")
    suffixes = {f.suffix for f in (tmp_path / "match").iterdir()}
    assert suffixes == {".npy", ".arrow", ".json"}
    for file in (tmp_path / "match").glob("*.npy"):
        assert np.load(file, allow_pickle=False).dtype.kind in "iu"


def test_the_index_opens_from_a_read_only_folder(tmp_path):
    opened(PINS, tmp_path / "match")
    for file in (tmp_path / "match").iterdir():
        file.chmod(0o444)
    (tmp_path / "match").chmod(0o555)
    assert match_index.open(tmp_path / "match").features("oak", np.array([0])).any()


def test_an_index_that_has_its_trigrams_by_term_gives_the_same_features(tmp_path):
    made, folder = opened(PINS, tmp_path / "match"), tmp_path / "match"
    expected = [made.features(query, np.arange(len(PINS))) for query in ("oka tabel", "lapm", "12 deckover")]
    assert all(found.any() for found in expected)
    by_term = grams.of(lookup.open(folder, "terms").texts.to_pylist())
    for name in ("gram_hashes", "gram_begins", "gram_terms", "gram_sizes"):
        (folder / f"{name}.npy").unlink()
    np.save(folder / "gram_offsets.npy", by_term.offsets)
    np.save(folder / "grams.npy", by_term.hashes)
    again = match_index.open(folder)
    found = [again.features(query, np.arange(len(PINS))) for query in ("oka tabel", "lapm", "12 deckover")]
    assert np.array_equal(found, expected)


def test_a_table_of_chunks_is_read_whole(tmp_path):
    (tmp_path / "match").mkdir()
    match_index.build([pa.concat_tables([pin_texts(PINS[:2]), pin_texts(PINS[2:], (2, 3))])], tmp_path / "match")
    assert match_index.open(tmp_path / "match").pin_ids == ["0", "1", "2", "3"]


@given(st.lists(text, min_size=1, max_size=4), st.lists(pin, min_size=1, max_size=5), st.lists(pin, max_size=5))
def test_pins_from_outside_are_measured_as_the_catalogues_own_are(queries, pins, others):
    with passing_index(pins) as index:
        outside = index.over(pin_texts([*others, *pins]))
        assert outside.pin_ids == [str(i) for i in range(len(others) + len(pins))]
        for query in queries:
            assert outside.ideal(query) == index.ideal(query)
            rows = np.arange(len(pins))
            assert np.array_equal(outside.features(query, len(others) + rows), index.features(query, rows))
            assert np.array_equal(outside.pairs([query] * len(rows), len(others) + rows), index.features(query, rows))
            if others:
                assert np.array_equal(outside.features(query, np.arange(len(others))), index.features_of(query, others))
        assert outside.rows(["0", "nobody"]).tolist() == [0, -1]
