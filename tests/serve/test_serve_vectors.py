"""Vectors of texts, the Pins near a Pin, and a Pin itself, over HTTP."""

import base64

import numpy as np
import pytest
from fixed import Fixed
from starlette.testclient import TestClient

from limbeck.serve import app
from limbeck.settings import Serve


@pytest.fixture(scope="module")
def client(ranker, workspace):
    with TestClient(app.create(Fixed(ranker), Serve(candidates=40, results=10), workspace.folder("images/pins"))) as it:
        yield it


def embed(client, **request):
    return client.post("/v1/embeddings", json=request)


def test_texts_have_the_vectors_that_the_student_gives_them(client, store, ranker):
    texts = ["red sofa", "a tall lamp"]
    answer = embed(client, input=texts, model="any").json()
    assert (answer["object"], answer["model"]) == ("list", ranker.model)
    assert [row["index"] for row in answer["data"]] == [0, 1]
    assert [row["object"] for row in answer["data"]] == ["embedding"] * 2
    found = np.asarray([row["embedding"] for row in answer["data"]], np.float32)
    np.testing.assert_allclose(found, store.student.vectors(texts), atol=1e-6)


def test_base64_holds_the_same_numbers(client):
    plain = embed(client, input="red sofa").json()["data"][0]["embedding"]
    packed = embed(client, input="red sofa", encoding_format="base64").json()["data"][0]["embedding"]
    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(packed), "<f4"), np.asarray(plain, np.float32))


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({}, "`input`"),
        ({"input": ""}, "length >= 1"),
        ({"input": []}, "length >= 1"),
        ({"input": ["a", ""]}, "length >= 1"),
        ({"input": [[1, 2]]}, "`str`"),
        ({"input": ["a"] * 1_001}, "length <= 1000"),
        ({"input": "a", "encoding_format": "hex"}, "hex"),
    ],
)
def test_wrong_texts_are_refused(client, request_, words):
    response = embed(client, **request_)
    assert response.status_code == 422
    assert words in response.json()["error"]


def test_what_is_no_json_is_refused(client):
    assert client.post("/v1/embeddings", content=b"{").status_code == 400


def test_the_nearest_pins_are_those_of_the_largest_inner_products(client, store):
    answer = client.get("/similar", params={"pin_id": "pin05", "k": 7}).json()
    products = store.vectors.matrix @ store.vectors.matrix[5]
    nearest = [row for row in np.argsort(-products, kind="stable") if row != 5][:7]
    assert [r["similarity"] for r in answer["results"]] == pytest.approx(products[nearest].tolist(), abs=1e-5)
    assert "pin05" not in {r["pin_id"] for r in answer["results"]}
    assert set(answer["results"][0]) == {*client.get("/v1/pins/pin05").json(), "similarity"}


def test_without_k_the_usual_number_is_near(client):
    assert len(client.get("/similar", params={"pin_id": "pin05"}).json()["results"]) == 10


@pytest.mark.parametrize(
    ("parameters", "words"), [({}, "`pin_id`"), ({"pin_id": "pin05", "k": 41}, "k is 41"), ({"pin_id": "no"}, "'no'")]
)
def test_what_nothing_can_be_near_to_is_refused(client, parameters, words):
    response = client.get("/similar", params=parameters)
    assert response.status_code == 422
    assert words in response.json()["error"]


def test_a_pin_is_shown_and_an_unknown_one_is_not_found(client):
    shown = client.get("/v1/pins/pin05").json()
    assert (shown["pin_id"], shown["language"]) == ("pin05", "de")
    assert shown["title"].startswith("red")
    assert client.get("/v1/pins/nobody").status_code == 404
