"""What becomes of texts: the same terms for what people mean as the same."""

import unicodedata

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from limbeck.signals.tokens import (
    MOST_CHARACTERS,
    SURFACE,
    fold,
    is_number,
    is_word,
    surfaces,
    terms,
    terms_of,
    written,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Größe", "GROSSE"),
        ("Straße", "strasse"),
        ("café", "cafe"),
        ("cafe\u0301", "café"),
        ("niña España", "nina espana"),
        ("Élégant À LA", "elegant a la"),
        ("shelves", "shelf"),
        ("knives leaves wolves", "knife leaf wolf"),
        ("lamps", "lamp"),
        ("children's", "child's"),
        ("3/4in", "3/4 in"),
        ("12ft2x4", "12 ft 2 x 4"),
        ("1½ pipe", "1 1/2 pipe"),
        ("1,000 pieces", "1000 piece"),
        ("Strong-Tie", "strong tie"),
        ("ＬＥＤ　ｌａｍｐ", "led lamp"),
        ("ﬁne", "fine"),
        ("כִּסֵּא", "כסא"),
        ("الكِتَاب", "الكتاب"),
        ("КНИГА", "книга"),
        ("٣ كتب", "3 كتب"),
    ],
)
def test_spellings_of_the_same_thing_have_the_same_terms(one, other):
    assert terms(one) == terms(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("3/4", "34"), ("1.5", "15"), ("light", "ligth"), ("1½", "11/2"), ("gloves", "glof"), ("ハ゜", "ハ")],
)
def test_different_things_have_different_terms(one, other):
    assert terms(one) != terms(other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3/4in LED lights", ["3/4", "in", "led", "light"]),
        ("東京塔", ["東", "東京", "京", "京塔", "塔"]),
        ("猫", ["猫"]),
        ("ケーキ", ["ケー", "ーキ"]),
        ("red猫2", ["red", "猫", "2"]),
        ("แมว", ["แม", "มว"]),
        ("고양이", ["고양", "양이"]),
        ("किताबें", ["किताबें"]),
        ("mp3 player", ["mp", "3", "player"]),
        ("", []),
        (" ,.!–\n☃", []),
    ],
)
def test_terms_of_texts(text, expected):
    assert terms(text) == expected


@pytest.mark.parametrize(
    ("query", "text"), [("猫", "黒猫の写真"), ("ケーキ", "チョコレートケーキの作り方"), ("แมว", "รูปแมวน่ารัก")]
)
def test_words_are_found_inside_unspaced_text(query, text):
    assert set(terms(query)) <= set(terms(text))


def test_a_word_without_end_is_cut():
    assert terms("a" * 10_000) == ["a" * MOST_CHARACTERS]
    assert terms("1" * 10_000) == ["1" * MOST_CHARACTERS]


@given(st.text())
@example("㈝")  # two syllables: one pair
def test_any_text_has_clean_terms(text):
    found = terms(text)
    assert found == [t for s in surfaces(text) for t in terms_of(s)]
    for term in found:
        assert term
        assert not any(map(str.isspace, term))
        term.encode()  # half a surrogate is no character of a term
    runs = [s for s in surfaces(text) if not is_number(s) and not is_word(s)]
    assert all(len(terms_of(run)) >= max(1, len(run) - 1) for run in runs)  # pairs of neighbours


@given(st.text())
def test_folding_twice_changes_nothing_more(text):
    assert terms(fold(text)) == terms(text)


@given(st.lists(st.sampled_from(["red", "Sofa", "3/4", "café", "黒猫", "lamps"])))
def test_terms_of_words_are_those_of_each(words):
    assert terms(" ".join(words)) == [t for w in words for t in terms(w)]


@given(st.text(st.characters(max_codepoint=127)) | st.from_regex(r"[a-z0-9,./_ -]{0,30}"))
def test_plain_text_is_cut_as_all_text_is(text):
    assert written(text) == SURFACE.findall(text)


def test_digits_of_any_script_are_numbers_and_those_newer_than_python_stay_as_they_are():
    """Two libraries know Unicode here, of different years."""
    digits = [digit for digit in map(chr, range(0x110000)) if regex.match(r"\d", digit)]
    known = {digit: unicodedata.decimal(digit, None) for digit in digits}
    assert len(digits) > 600
    assert [terms(f"{digit} 7") for digit in digits] == [
        [digit if known[digit] is None else str(known[digit]), "7"] for digit in digits
    ]
