import json

import pytest
from fixed import Fixed
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from limbeck.serve import app
from limbeck.settings import Serve


@pytest.fixture(scope="module")
def client(ranker, workspace):
    with TestClient(app.create(Fixed(ranker), Serve(), workspace.folder("images/pins"))) as it:
        yield it


def post(client, path="/rerank", **body):
    return client.post(path, content=json.dumps(body))


def test_texts_are_graded_as_documents_are(client):
    texts = ["a tea pot", "red velvet sofa", ""]
    found = post(client, query="red sofa", texts=texts, return_text=True, truncate=True).json()
    same = post(client, "/v1/rerank", query="red sofa", documents=texts).json()["results"]
    assert [(r["index"], r["score"]) for r in found] == [(r["index"], r["relevance_score"]) for r in same]
    assert [r["text"] for r in found] == [texts[r["index"]] for r in found]
    bare = post(client, query="red sofa", texts=texts).json()
    assert [set(r) for r in bare] == [{"index", "score"}] * 3
    raw = post(client, query="red sofa", texts=texts, raw_scores=True, truncation_direction="right").json()
    assert [r["score"] for r in raw] == [r["expected_level"] for r in same]


@pytest.mark.parametrize("path", ["/rerank", "/v2/rerank"])
def test_other_paths_take_documents_too(client, path):
    asked = {"query": "red sofa", "documents": ["tea", {"id": "pin05"}], "model": "any"}
    here, there = post(client, path, **asked).json(), post(client, "/v1/rerank", **asked).json()
    assert here["results"] == there["results"]
    assert here["usage"] == {"total_tokens": 0}


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"texts": ["a"]}, 422, "query"),
        ({"query": " ", "texts": ["a"]}, 422, "the query is empty"),
        ({"query": "a", "texts": "b"}, 422, "texts"),
        ({"query": "a", "texts": [1]}, 422, "texts"),
        ({"query": "a", "texts": ["b"] * 1_001}, 422, "texts"),
        ({"query": "a", "texts": ["b"], "truncation_direction": "up"}, 422, "truncation_direction"),
        ({"query": "a"}, 422, "documents"),
        ([], 422, "object"),
    ],
)
def test_what_is_wrong_is_said(client, body, status, words):
    answer = client.post("/rerank", content=json.dumps(body))
    assert (answer.status_code, words in answer.json()["error"]) == (status, True), answer.text


@given(st.binary(max_size=40))
def test_no_bytes_are_a_fault(client, body):
    assert client.post("/rerank", content=body).status_code in (400, 422)
    assert client.post("/rerank", content=b'{"texts": ' + body).status_code in (400, 422)


def test_nothing_to_grade(client):
    assert post(client, query="sofa", texts=[]).json() == []
