"""Only what changed is composed, and only what changed enough is read again."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from limbeck import records
from limbeck.settings import Text
from limbeck.text import compose, kept
from limbeck.workspace import digest_of

WORDS = ["red", "oak", "sofa", "blue", "lamp", "tall", "green", "vase", "warm", "rug"]
TITLES = st.lists(st.sampled_from(WORDS), max_size=10).map(" ".join)
CATALOGUES = st.dictionaries(st.sampled_from("abcdef"), TITLES)


def pin_texts(titles):
    """Rows of pin_texts by pin_id → title."""
    rows = [
        {
            **dict.fromkeys(records.schema("pin_texts").names),
            "pin_id": pin,
            "title": title,
            "board_titles": [],
            "engaged_queries": [],
            "digest": digest_of(title),
        }
        for pin, title in titles.items()
    ]
    return pa.Table.from_pylist(rows, schema=records.schema("pin_texts"))


def texts(table):
    return dict(zip(table.column("pin_id").to_pylist(), table.column("text").to_pylist()))


def composed(titles, before=None, share=0.0):
    return kept.composed(pin_texts(titles), Text(meaningful_change=share), None, before)


@given(CATALOGUES, CATALOGUES)
def test_without_a_threshold_it_is_as_composing_everything(first, second):
    before = composed(first)
    assert composed(second, before).equals(compose.compose(pin_texts(second), Text(), None))


@given(CATALOGUES, CATALOGUES, st.floats(0, 1))
def test_a_text_is_the_one_before_exactly_where_too_little_changed(first, second, share):
    before, plain = texts(composed(first)), texts(composed(second))
    found = composed(second, composed(first), share)
    for pin, text in texts(found).items():
        little = pin in before and kept.changed(before[pin], plain[pin]) < share
        assert text == (before[pin] if little else plain[pin])
    assert found.column("digest").to_pylist() == [digest_of(t) for t in found.column("text").to_pylist()]
    assert found.column("pin_id").to_pylist() == list(second)
    assert found.schema.equals(records.schema("composed"))


def test_little_by_little_never_becomes_much():
    read = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    now, table = list(read), composed({"a": " ".join(read)})
    for place in range(len(read)):
        now[place] = f"new{place}"
        table = composed({"a": " ".join(now)}, table, 0.35)
        [text] = texts(table).values()
        assert kept.changed(text, " ".join(now)) < 0.35
    assert texts(table)["a"].split()[:4] != read[:4]


def test_what_did_not_change_is_not_composed(monkeypatch):
    before = composed({"a": "red sofa", "b": "oak"})
    asked = []
    plain = kept.compose
    monkeypatch.setattr(kept, "compose", lambda rows, *given: asked.append(rows.num_rows) or plain(rows, *given))
    assert texts(composed({"b": "oak", "c": "lamp", "a": "blue sofa"}, before)) == {
        "b": "oak",
        "c": "lamp",
        "a": "blue sofa",
    }
    assert asked == [2]


@pytest.mark.parametrize(
    ("old", "new", "share"),
    [
        ("red oak sofa", "red oak sofa", 0),
        ("red oak sofa", "sofa oak red", 0),
        ("red oak sofa", "red oak sofa lamp", 0.25),
        ("red oak sofa lamp", "red oak", 0.5),
        ("red red red oak", "red oak", 0.5),
        ("", "red", 1),
        ("red", "", 1),
    ],
)
def test_how_much_of_a_text_changed(old, new, share):
    assert kept.changed(old, new) == pytest.approx(share)


def test_tokens_are_the_tokenizer_s():
    letters = Tokenizer(models.WordLevel({**{c: i for i, c in enumerate("abcdef")}, "?": 9}, unk_token="?"))
    letters.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    assert kept.changed("abcd", "abce", letters) == 0.25
