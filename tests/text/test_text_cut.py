"""Texts end between words, and never inside a grapheme."""

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from limbeck.text import cut

ANY_TEXT = st.text(st.sampled_from("ab é 日本語ไทย กำ हिन्दी\u0301\u200d👩👧🏽\u0600\n\r ،-"), max_size=40) | st.text(
    max_size=40
)


@pytest.mark.parametrize(
    ("text", "limit", "shortened"),
    [
        ("red garden chair", 16, "red garden chair"),
        ("red garden chair", 12, "red garden"),
        ("red garden chair", 10, "red garden"),
        ("red  garden", 4, "red"),
        ("incomprehensibilities", 5, "incom"),
        ("日本の庭", 2, "日本"),
        ("日本 garden", 5, "日本"),
        ("cats猫の庭", 5, "cats猫"),
        ("กำแพง", 1, ""),
        ("family 👩‍👩‍👧 portrait", 9, "family"),
        ("e\u0301clair", 1, ""),
        ("नमस्ते दुनिया", 9, "नमस्ते"),
        ("any", 0, ""),
    ],
)
def test_shorten(text, limit, shortened):
    assert cut.shorten(text, limit) == shortened


@given(ANY_TEXT, st.integers(-1, 45))
def test_what_is_left_is_whole_graphemes_of_the_beginning(text, limit):
    left = cut.shorten(text, limit)
    assert text.startswith(left)
    assert left == text or len(left) <= max(limit, 0)
    assert regex.findall(r"\X", text)[: len(regex.findall(r"\X", left))] == regex.findall(r"\X", left)


@given(st.lists(st.sampled_from(["oak", "Stühle", "صندلی", "стул", "घर", "의자"]), min_size=1), st.integers(6, 60))
def test_words_stay_whole_where_the_script_has_them(words, limit):
    left = cut.shorten(" ".join(words), limit).split()
    assert left == words[: len(left)]
    assert len(" ".join(words[: len(left) + 1])) > limit or left == words


def test_tokens_are_words_signs_and_characters_of_scripts_without_spaces():
    text = "A red-hot café: 日本のhome"
    assert [text[a:b] for a, b in cut.tokens(text)] == ["A", "red", "-", "hot", "café", ":", *"日本の", "home"]
