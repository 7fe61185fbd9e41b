import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.text.queries import plain


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("  Red   SOFA\t", "red sofa"),
        ("Ｆｕｌｌ　ｗｉｄｔｈ", "full width"),
        ("Küche\u200b \u00adtisch\x00", "küche tisch"),
        ("İstanbul", "i̇stanbul"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # a joiner that belongs to the spelling
        ("\ud800 sofa", "? sofa"),
        ("\u200b", ""),
    ],
)
def test_a_plain_query_is_lower_case_in_one_form_and_all_visible(typed, read):
    assert plain(typed) == read


@given(st.text(max_size=60))
def test_a_plain_query_is_as_plain_as_it_can_be(text):
    assert plain(plain(text)) == plain(text)
    assert plain(f" {text}\n") == plain(text)
