"""Where the words of a query stand in a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.signals.marks import marks


def said(query, text):
    return [text[begin:end] for begin, end in marks(query, text)]


@pytest.mark.parametrize(
    ("query", "text", "found"),
    [
        ("red sofa", "A Red sofa, and more sofas", ["Red", "sofa", "sofas"]),
        ("shelves", "oak shelf", ["shelf"]),
        ("café table", "Cafe  TABLE", ["Cafe", "TABLE"]),
        ("cafe", "Café au lait", ["Café"]),
        ("fence panel", "a fencepanel", ["fencepanel"]),
        ("fencepanel", "a fence panel here", ["fence panel"]),
        ("1,000 pieces", "1000 pieces", ["1000", "pieces"]),
        ("東京", "東京塔", ["東京"]),
        ("sofa", "nothing of it", []),
        ("", "nothing asked", []),
        ("sofa", "", []),
    ],
)
def test_words_are_marked_as_they_are_written(query, text, found):
    assert said(query, text) == found


def test_words_that_touch_are_one_mark():
    assert said("東 京", "東京") == ["東京"]


@given(st.text(max_size=30), st.text(max_size=60))
def test_marks_are_in_order_apart_and_inside(query, text):
    found = marks(query, text)
    bounds = [bound for span in found for bound in span]
    assert bounds == sorted(set(bounds))
    assert all(0 <= bound <= len(text) for bound in bounds)


@given(st.lists(st.sampled_from(["red", "sofa", "東京", "Gewürz", "3/4", "the"]), min_size=1, max_size=4))
def test_a_text_that_is_the_query_is_marked_whole(words):
    text = " ".join(words)
    assert "".join(said(text, text)).replace(" ", "") == "".join(words)
