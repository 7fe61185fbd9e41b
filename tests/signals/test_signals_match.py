"""Match features against their definitions in plain Python, and what they must not depend on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from match_worlds import any_pin, as_row, named, passing_index, plain_features

from limbeck.signals.match import NAMES

# No two of these are another one when written together.
WORDS = ["oak", "sofa", "sofas", "lamp", "lapm", "red", "ring", "12", "3/4", "grün", "黒猫", "猫", "книга", "zzz"]
SHARES = [n for n in NAMES if n.split(".")[1] not in ("bm25", "length", "terms", "rarity", "numbers_missing")]

text = st.lists(st.sampled_from(WORDS), max_size=7).map(" ".join)
pins = st.lists(any_pin(text), min_size=1, max_size=5)
storable = st.text(st.characters(codec="utf-8"))  # of a Pin; a query may hold half a surrogate
query = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join)


@given(query, pins)
def test_every_feature_is_what_its_definition_says(query, pins):
    with passing_index(pins) as index:
        found = index.features(query, np.arange(len(pins)))
        expected = [as_row(index, plain_features(query, pins, pin)) for pin in pins]
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)


@given(st.text(), st.lists(any_pin(storable), max_size=4))
def test_any_unicode_has_finite_features_and_shares_between_0_and_1(query, pins):
    with passing_index(pins) as index:
        found = index.features(query, np.arange(-1, len(pins)))
        assert np.isfinite(found).all()
        shares = found[:, [index.names.index(n) for n in SHARES]]
        assert ((shares >= 0) & (shares <= 1 + 1e-6)).all()
        assert np.array_equal(found[1:], index.features_of(query, pins))


def test_bm25_of_a_case_worked_by_hand(index):
    made = index({"title": "oak table"}, {"title": "oak oak chair red"}, {"description": "oak"})
    idf = np.log1p((3 - 3 + 0.5) / (3 + 0.5))
    norm = 1.2 * (0.25 + 0.75 * 4 / 3)  # four terms; titles are three long on average, over the two that there are
    found = named(made, made.features("oak", np.array([1]))[0])
    assert found["title.bm25"] == pytest.approx(idf * 2 * 2.2 / (2 + norm))
    assert found["description.bm25"] == 0


def test_a_rarer_word_weighs_more(index):
    made = index(*[{"title": "common"}] * 9, {"title": "rare"})
    common, rare = (named(made, f) for f in made.features("common rare", np.array([0, 9])))
    assert common["title.share"] == rare["title.share"] == 0.5
    assert common["title.rarity_share"] < 0.1 < 0.9 < rare["title.rarity_share"]
    assert common["title.bm25"] < rare["title.bm25"]


def test_phrases_are_told_from_loose_words(index):
    made = index({"title": "garden chair of oak"}, {"title": "chair of oak for the garden"})
    together, apart = (named(made, f) for f in made.features("garden chair", np.arange(2)))
    assert (together["title.phrase"], together["title.neighbours"]) == (1, 1)
    assert (apart["title.phrase"], apart["title.neighbours"]) == (0.5, 0)
    assert together["title.bm25"] > apart["title.bm25"] > 0


def test_no_phrase_spans_two_entries_of_a_list(index):
    made = index({"board_titles": ["living room", "ideas"]}, {"board_titles": ["living", "room ideas"]})
    found = made.features("room ideas", np.arange(2))[:, made.names.index("board_titles.phrase")]
    assert found.tolist() == [0.5, 1]


def test_the_closest_word_of_a_typo(index):
    made = index({"title": "ceiling light"}, {"title": "ceiling fan"}, {"title": "lighter"})
    right, wrong, other = (named(made, f) for f in made.features("ligth", np.arange(3)))
    assert right["title.closest_mean"] == pytest.approx(2 * 2 / (5 + 5))  # <li and lig of five each
    assert wrong["title.closest_mean"] == 0
    assert 0.3 < other["title.closest_mean"] < right["title.closest_mean"]


def test_a_typo_of_a_word_in_any_field(index):
    made = index({"title": "lamp", "caption": "a chandelier"}, {"title": "chandelier"}, {"title": "lamp"})
    elsewhere, title, nowhere = made.features("chandelire", np.arange(3))[:, made.names.index("all.closest_unknown")]
    assert elsewhere == title > 0.6 > nowhere == 0


def test_numbers_are_alike_only_when_equal(index):
    made = index({"title": "board 112 in"}, {"title": "board 12 in"})
    near, same = (named(made, f) for f in made.features("board 12", np.arange(2)))
    assert (near["title.numbers"], near["title.numbers_missing"], near["title.closest_least"]) == (0, 1, 0)
    assert (same["title.numbers"], same["title.numbers_missing"], same["title.closest_least"]) == (1, 0, 1)


@pytest.mark.parametrize(
    ("query", "title", "neighbour"),
    [
        ("deck over paint", "DeckOver paint", "deck under paint"),
        ("deckover paint", "deck over paint", "deck under paint"),
        ("fencepanels", "white fence panel", "white fence"),
        ("hand schuhe", "Handschuhe", "Hand"),
    ],
)
def test_words_written_as_one_or_as_two_are_found(index, query, title, neighbour):
    made = index({"title": title}, {"title": neighbour}, {"title": "fence panel deck over hand schuhe"})
    found, other = (named(made, f) for f in made.features(query, np.arange(2)))
    assert (found["title.share"], found["title.phrase"], found["title.last_term"]) == (1, 1, 1)
    assert found["title.bm25"] > other["title.bm25"]
    assert found["title.equal"] == 0


def test_halves_of_a_word_count_only_together_and_in_order(index):
    made = index({"title": "over deck"}, {"title": "deck and over"}, {"title": "deck over"})
    share = made.features("deckover", np.arange(3))[:, made.names.index("title.share")]
    assert share.tolist() == [0, 0, 1]


@pytest.mark.parametrize(("query", "title"), [("café", "Cafe Tisch"), ("GROSSE", "Größe"), ("3/4in", "3/4 in")])
def test_spellings_that_mean_the_same_match(index, query, title):
    made = index({"title": title}, {"title": "other"})
    assert made.features(query, np.array([0]))[0, made.names.index("title.share")] == 1


def test_an_unknown_pin_matches_nothing(index):
    made = index({"title": "oak table"})
    found = named(made, made.features("oak", np.array([-1]))[0])
    assert {n for n, value in found.items() if value} == {"query.terms", "query.rarity"}


@pytest.mark.parametrize("query", ["", "  ", "?!"])
def test_a_query_without_words_has_no_features(index, query):
    made = index({"title": "oak table"})
    assert not made.features(query, np.array([0, -1])).any()
    assert made.ideal(query) == 0


def test_of_a_hundred_words_the_first_thirty_two_count(index):
    words = [f"w{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(100)]
    made = index({"title": " ".join(words[:40])}, {"title": " ".join(words[60:])})
    whole, beyond = (named(made, f) for f in made.features(" ".join(words), np.arange(2)))
    assert (whole["query.terms"], whole["title.share"], whole["title.phrase"]) == (32, 1, 1)
    assert beyond["title.share"] == 0
