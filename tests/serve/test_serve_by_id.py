"""Ids read where they stand in a body: what is read is what JSON says, and all else is left to the other reader."""

import json

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck import lookup
from limbeck.serve import by_id
from limbeck.serve.messages import MAX_DOCUMENTS, RerankRequest

SPACE = st.text(" \t\r\n", max_size=2)
ASCII = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


@given(st.lists(ASCII, min_size=1, max_size=30), st.none() | st.integers(1, 9), st.data())
def test_it_reads_what_json_says_or_nothing(ids, top_n, data):
    gap, other = data.draw(SPACE), data.draw(SPACE)
    gaps = data.draw(st.lists(st.sampled_from([gap, other]), min_size=len(ids), max_size=len(ids)))
    each = (f"{{{gap}{json.dumps('id')}{gap}:{gap}{json.dumps(i)}{gap}}}" for i, gap in zip(ids, gaps))
    documents = f"{gap},{gap}".join(each)
    more = "" if top_n is None else f',{gap}"top_n":{top_n}'
    body = f'{{"query"{gap}:"tea",{gap}"documents"{gap}:{gap}[{gap}{documents}{gap}]{gap}{more}}}{gap}'.encode()
    found = by_id.read(body)
    said = msgspec.json.decode(body, type=RerankRequest)
    if any(set(pin_id) & set('"\\') for pin_id in ids):
        assert found is None
    else:
        assert (found.query, list(found.pin_ids), found.top_n) == (said.query, ids, said.top_n)
        assert list(found.pin_ids[1:][:2]) == ids[1:3]
        assert lookup.of(ids).rows(found.pin_ids).tolist() == lookup.of(ids).rows(ids).tolist()


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 130])
def test_characters_are_told_apart_wherever_they_stand(length):
    """Within an id, which is looked at many characters at a time, and near the end of a body, where one by one."""
    for behind in (b"", 100 * b" "):
        for place in {*range(0, length, 7), *range(max(0, length - 2), length)}:
            for character in range(256):
                pin_id = place * b"a" + bytes([character]) + (length - place - 1) * b"a"
                found = by_id.read(b'{"query":"tea","documents":[{"id":"%b"},{"id":"b"}]}%b' % (pin_id, behind))
                if 32 <= character < 128 and character not in b'"\\':
                    assert [*found.pin_ids] == [pin_id.decode(), "b"]
                else:
                    assert found is None


@pytest.mark.parametrize("gap", [0, 1, 60, 61, 62, 63, 64, 65, 130])
def test_what_is_between_ids_may_be_as_long_as_it_likes(gap):
    ids = [str(number) for number in range(7)]
    same = f",{gap * ' '}".join(f'{{"id":"{pin_id}"}}' for pin_id in ids)
    for documents, right in (
        (same, True),
        (same.replace('"},', '" },', 4), True),
        (same.replace('"},', '"}.', 4), False),
    ):
        found = by_id.read(f'{{"query":"tea","documents":[{documents}]}}'.encode())
        assert [*found.pin_ids] == ids if right else found is None


@given(st.binary(max_size=60), st.integers(0, 60))
def test_whatever_is_wrong_is_left_to_the_other_reader(junk, place):
    """What it does read, the other reader understands in the same way."""
    body = b'{"query": "tea", "documents": [{"id": "a"}, {"id": "bc"}]}'
    body = body[:place] + junk + body[place + len(junk) // 2 :]
    found = by_id.read(body)
    if found is not None:
        said = msgspec.json.decode(body, type=RerankRequest)
        assert (said.query, [d.id for d in said.documents]) == (found.query, list(found.pin_ids))


@pytest.mark.parametrize(
    "body",
    [
        b'{"query": "tea", "documents": []}',
        b'{"query": "tea", "documents": ["tea"]}',
        b'{"query": "tea", "documents": [{"id": "a"},]}',
        b'{"query": "tea", "documents": [{"id": "a"} {"id": "b"}]}',
        b'{"query": "tea", "documents": [{"id": "a"}, {"id": "b", "title": "c"}]}',
        b'{"query": "tea", "documents": [{"id": "\\u0061"}]}',
        b'{"query": "tea", "documents": [{"id": "\xc3\xa4"}]}',
        b'{"query": "tea", "documents": [{"id": "a\nb"}]}',
        b'{"query": "tea", "documents": [{"id": "a"}\x0b]}',
        b'{"query": "tea", "documents": [{"id": 1}]}',
        b'{"query": "tea", "documents": [{"id": "a"}], "return_documents": true}',
        b'{"query": "tea", "documents": [{"id": "a"}], "documents": [{"id": "b"}]}',
        b'{"query": "tea", "of": {"documents": [{"id": "a"}]}, "documents": [{"id": "b"}]}',
        b'{"query": "tea", "of": {"documents": [{"id": "a"}]}}',
        b'{"query": "tea", "documents": 0}',
        b'{"query": " ", "documents": [{"id": "a"}]}',
        b'{"query": "tea", "documents": [{"id": "a"}], "top_n": 0}',
        b'{"query": "\xff", "documents": [{"id": "a"}]}',
        b'{"query": "tea", "documents": [{"id": "a"}]',
        b'{"query": "tea", "documents": [{"id": "a"}',
        b'{"query": "tea", "documents": [{"id": "a',
        b'{"query": "tea", "documents": [',
        b"{",
        b"",
    ],
)  # fmt: skip
def test_bodies_that_ask_for_more_than_ids_are_left_to_others(body):
    assert by_id.read(body) is None


def test_as_many_are_read_as_may_be_asked_for():
    ids = [str(number) for number in range(MAX_DOCUMENTS + 1)]
    bodies = [json.dumps({"query": "tea", "documents": [{"id": i} for i in some]}).encode() for some in (ids[1:], ids)]
    assert list(by_id.read(bodies[0]).pin_ids) == ids[1:]
    assert by_id.read(bodies[1]) is None


def test_texts_within_others_are_found_as_texts_alone_are():
    characters = np.frombuffer("grüne Vase, Vase".encode(), np.uint8)
    inside = lookup.Inside(characters, np.array([0, 7, 13, 3]), np.array([6, 11, 17, 3]))
    assert list(inside) == ["grüne", "Vase", "Vase", ""]
    assert lookup.of(["Vase", "", "grüne"]).rows(inside).tolist() == [2, 0, 0, 1]
