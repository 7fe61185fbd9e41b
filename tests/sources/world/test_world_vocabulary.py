"""The words: five languages, and no word that means two things in one of them."""

from collections import Counter

import pytest

from limbeck.sources.world import attributes
from limbeck.sources.world.phrases import PHRASES
from limbeck.sources.world.shapes import SHAPES
from limbeck.sources.world.vocabulary import ATTRIBUTES, INTERESTS, KINDS, LANGUAGES, THINGS, allowed


@pytest.mark.parametrize("language", range(len(LANGUAGES)), ids=LANGUAGES)
def test_a_word_means_one_thing(language: int) -> None:
    for nouns in ([*THINGS, *INTERESTS], ATTRIBUTES):
        words = Counter(word.lower() for entry in nouns for word in set(entry.words[language]))
        assert [word for word, count in words.items() if count > 1] == []


def test_japanese_is_not_written_in_latin_letters() -> None:
    words = [word for entry in (*THINGS, *INTERESTS, *ATTRIBUTES) for word in entry.words[LANGUAGES.index("ja")]]
    assert all(any(letter > "\u3000" for letter in word) for word in words)


def test_every_thing_has_a_shape_and_attributes_of_the_right_kinds() -> None:
    for thing in THINGS:
        assert thing.shape in SHAPES
        for kind, choices in enumerate(allowed(thing)):
            assert all(ATTRIBUTES[choice].kind == kind for choice in choices)


def test_every_attribute_is_some_things_own() -> None:
    used = {choice for thing in THINGS for choices in allowed(thing) for choice in choices}
    assert [a.code for number, a in enumerate(ATTRIBUTES) if number not in used] == []


def test_broader_attributes_exist_and_are_of_the_same_kind() -> None:
    by_code = {a.code: a for a in ATTRIBUTES}
    assert len(by_code) == len(ATTRIBUTES)
    for attribute in ATTRIBUTES:
        if attribute.broader:
            assert by_code[attribute.broader].kind == attribute.kind
            assert by_code[attribute.broader].broader == ""


def test_colours_are_listed_once_with_their_paint() -> None:
    assert [a.code for a in ATTRIBUTES if a.kind == KINDS.index("colour")] == list(attributes.RGB)


def test_each_language_has_its_phrases() -> None:
    assert len(PHRASES) == len(LANGUAGES)
    for stock in PHRASES:
        for frames in (stock.title_frames, stock.sentences, stock.beside, stock.board_frames, stock.page_titles):
            assert all(frame.count("{}") == 1 for frame in frames)
