"""What unknown words were meant to be, beside a search through all known words, and as a person would expect it."""

import string

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.index import spelling
from limbeck.index.spelling import Spelling, allowed, deletions, distance

WORDS = st.text("abcd", min_size=3, max_size=9)


def opened(folder, texts, searches=None):
    """A vocabulary of Pins that say these texts, each of them twice over."""
    folder.mkdir(exist_ok=True)
    spelling.build([pa.table({"title": [t for t in texts for _ in range(2)]})], ["title"], searches or {}, folder)
    return Spelling(folder)


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    texts = ["Velvet sofas", "kitchen table", "Küchen Tisch", "garden chair", "garden bench", "wedding dress", "chain",
             "accessories", "東京 lamp", "3/4 in pipe"]  # fmt: skip
    return opened(tmp_path_factory.mktemp("words") / "known", texts)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("velvt sofa", "velvet sofa"),
        ("red kicthen tabel", "red kitchen table"),  # "red" is too short to tell
        ("kuchen", None),  # known, without its accent
        ("kuechen", "küchen"),  # as it is written in the catalogue
        ("acessorise, velvet", "accessories, velvet"),
        ("kitchentable", "kitchen table"),
        ("gardn", "garden"),
        ("sofa", None),  # the catalogue says "sofas"
        ("xyzzyplugh", None),
        ("東亰 lampp", "東亰 lamp"),
        ("3/5 in", None),
        ("", None),
    ],
)
def test_unknown_words_are_corrected_and_nothing_else(known, typed, meant):
    assert known.respelled(typed) == meant


def test_known_words_are_never_touched(known):
    assert known.meant("chain") is None
    assert known.meant("chair") is None


def test_among_equally_near_words_the_more_usual_one_is_meant(tmp_path):
    texts = ["lamp"] * 3 + ["damp"]
    assert opened(tmp_path / "by pins", texts).meant("ramp") == "lamp"
    assert opened(tmp_path / "by log", ["lamp", "damp"], {"a damp cellar": 9}).meant("ramp") == "damp"


def test_what_people_often_type_is_not_corrected_to_what_is_as_rare(tmp_path):
    often = opened(tmp_path / "often", ["couch lamp", "coaches"], {"divans": 50, "Divans ": 1})
    assert often.meant("divans") is None
    assert opened(tmp_path / "typo", ["sofa"] * 30, {"soffa": 2}).meant("soffa") == "sofa"
    assert opened(tmp_path / "usual typo", ["sofa"] * 30, {"soffa": 7}).meant("soffa") is None


def test_a_word_of_a_single_pin_is_known_and_corrects_nothing(tmp_path):
    folder = tmp_path / "single"
    folder.mkdir()
    spelling.build([pa.table({"title": ["sofaa", "sofa", "sofa"]})], ["title"], {}, folder)
    assert Spelling(folder).meant("sofaa") is None
    assert Spelling(folder).meant("sofab") == "sofa"


def test_without_words_nothing_is_corrected(tmp_path):
    assert opened(tmp_path / "none", []).respelled("velvt sofa") is None


@given(st.lists(WORDS, min_size=1, max_size=12), WORDS)
def test_what_is_found_is_what_a_search_through_all_words_finds(tmp_path_factory, words, typed):
    found = opened(tmp_path_factory.mktemp("all"), words)
    most = allowed(len(typed))
    near = {word for word in words if distance(typed, word) <= most}
    rows = found._words.to_pylist()
    assert {rows[row] for *_, row in found._near(typed)} == near
    if len(typed) >= spelling.LEAST_LETTERS and not found.knows(typed):
        meant = found.meant(typed)
        assert (meant in near) if near and meant and " " not in meant else not near or meant is not None


@given(st.text(string.ascii_lowercase[:4], max_size=5), st.text(string.ascii_lowercase[:4], max_size=5))
def test_distances_are_those_of_the_definition(one, other):
    assert distance(one, other) == distance(other, one) == _defined(one, other)


def _defined(a, b):
    """Optimal string alignment, by its recursive definition."""
    if not a or not b:
        return len(a) + len(b)
    found = [_defined(a[:-1], b) + 1, _defined(a, b[:-1]) + 1, _defined(a[:-1], b[:-1]) + (a[-1] != b[-1])]
    if len(a) > 1 and len(b) > 1 and a[-1] == b[-2] and a[-2] == b[-1]:
        found.append(_defined(a[:-2], b[:-2]) + 1)
    return min(found)


def test_deletions_are_of_the_beginning_of_a_word():
    assert deletions("abc", 1) == {"abc", "ab", "ac", "bc"}
    assert len(deletions("abcdefghijklmnop", 2)) == 1 + 10 + 45


def test_the_same_words_give_the_same_files(tmp_path):
    for name in ("one", "other"):
        opened(tmp_path / name, ["kitchen table", "velvet sofa"], {"velvt": 3})
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["left.npy", "stems.arrow", "whose.npy", "words.arrow"]
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "other" / f).read_bytes() for f in files)
