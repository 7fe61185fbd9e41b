"""Retrieval by engines outside: Milvus in its embedded form, and what OpenSearch documents of itself."""

import dataclasses
import socket

import numpy as np
import pytest
from fixed import Fixed
from opensearch_server import serving
from served import live_pin
from starlette.testclient import TestClient

from limbeck.errors import InputError
from limbeck.index import lexical
from limbeck.index.sides import Hits
from limbeck.live.journal import Changes, Journal
from limbeck.live.overlay import Overlay
from limbeck.live.store import LiveStore, caught_up
from limbeck.serve import app, engines, milvus
from limbeck.serve import opensearch as opensearch_client
from limbeck.serve.engine import EngineDown
from limbeck.serve.ranker import Ranker
from limbeck.settings import Serve


@pytest.fixture(scope="module")
def opensearch():
    with serving() as (indexes, url):
        yield indexes, url


@pytest.fixture(scope="module", params=["milvus", "opensearch"])
def engine(request, tmp_path_factory):
    if request.param == "milvus":
        url = str(tmp_path_factory.mktemp("milvus") / "pins.db")
    else:
        _, url = request.getfixturevalue("opensearch")
    return engines.connect(Serve(retriever=request.param, retriever_url=url))


@pytest.fixture(scope="module")
def outside(engine, store, workspace):
    return engines.outside(store, workspace, engine)


def test_vectors_find_what_they_find_embedded(outside, store, random):
    for vector in random.normal(size=(5, store.vectors.matrix.shape[1])).astype(np.float32):
        assert outside.nearest.search(vector, 10).rows.tolist() == store.nearest.search(vector, 10).rows.tolist()


@pytest.mark.parametrize("query", ["wedding dress", "Oak shelves!", "テーブル", "tea pot winter"])
def test_words_find_pins_that_say_them(outside, store, query):
    embedded = set(store.lexical.search(query, 50).rows.tolist())
    assert set(outside.lexical.search(query, 50).rows.tolist()) == embedded
    assert len(outside.lexical.search(query, 3).rows) == min(3, len(embedded))


def test_titles_count_for_more(outside):
    best = outside.ids(outside.lexical.search("tea pot", 6).rows)
    assert all(int(pin[3:]) % 8 == 7 for pin in best)


@pytest.mark.parametrize("query", ["", "  ", "!?", '{"match_all": {}}', "a AND (b OR", "'; drop", "x" * 1_000])
def test_no_query_is_syntax(outside, query):
    assert len(outside.lexical.search(query, 5).rows) <= 5


def test_the_whole_search_stands_on_it(outside, ranker):
    there, here = Ranker(outside).search("wedding dress", 50, 50), ranker.search("wedding dress", 50, 50)
    assert {p.pin_id: p.expected_level for p in there} == {p.pin_id: p.expected_level for p in here}


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_live_pins_are_found_whatever_the_scale_of_the_engines_scores(store, tmp_path, scale):
    class Scaled:
        def search(self, query, k):
            found = store.lexical.search(query, k)
            return Hits(found.rows, scale * found.scores)

    journal = Journal(tmp_path)
    journal.append([Changes(tuple(live_pin(f"live{i}", f"red sofa of my own {i}") for i in range(3)))])
    alone = store.ids(store.lexical.search("red sofa", 6).rows)
    live = caught_up(LiveStore.over(dataclasses.replace(store, lexical=Scaled()), Overlay(), ""), journal)
    found = live.ids(live.lexical.search("red sofa", 6).rows)
    assert sorted(found) == sorted([*(f"live{i}" for i in range(3)), *alone[:3]])
    assert [pin for pin in found if not pin.startswith("live")] == alone[:3]


def test_pins_are_as_similar_as_they_are_embedded(outside, ranker):
    there, here = Ranker(outside).similar("pin05", 5), ranker.similar("pin05", 5)
    assert [p.pin_id for p in there] == [p.pin_id for p in here]
    assert [p.similarity for p in there] == pytest.approx([p.similarity for p in here], abs=1e-5)


def test_a_filled_collection_is_not_filled_again(engine, outside, store, workspace, monkeypatch):
    monkeypatch.setattr(type(engine), "add", lambda *_: pytest.fail("it is there already"))
    assert engines.outside(store, workspace, engine).lexical == outside.lexical


def test_a_collection_that_was_left_half_filled_is_completed(engine, store):
    engine.create("limbeck_half", store.vectors.matrix.shape[1])
    some = list(engines._entries(store, np.arange(7)))
    engine.add("limbeck_half", some)
    engine.publish("limbeck_half")
    assert engine.count("limbeck_half") == 7
    engines.fill(engine, "limbeck_half", store)
    assert engine.count("limbeck_half") == len(store)
    assert engine.count("limbeck_other") is None


def test_terms_are_those_of_the_embedded_index():
    assert lexical.terms("Küchen, shelves 東京") == ["kuchen", "shelv", "東", "京", "東京"]


def test_an_engine_that_fails_is_a_503_and_tells_the_client_nothing(opensearch, store, workspace, caplog):
    indexes, url = opensearch
    engine = engines.connect(Serve(retriever="opensearch", retriever_url=url))
    ranker = Ranker(engines.outside(store, workspace, engine))
    with TestClient(app.create(Fixed(ranker), Serve())) as client:
        indexes.broken = 500
        answer = client.get("/search?q=sofa")
        assert (answer.status_code, answer.json()["error"]) == (503, "the search engine does not answer")
        assert "OpenSearch answered 500" in caplog.text
        assert "sofa" not in caplog.text.replace("q=sofa", "")  # the test's client logs what it asks for
        indexes.broken = None
        assert client.get("/search?q=sofa").status_code == 200


@pytest.mark.parametrize("hangs", [False, True])
@pytest.mark.parametrize("name", ["milvus", "opensearch"])
def test_an_engine_that_is_not_there_or_never_answers_is_said(name, hangs, store, workspace, monkeypatch):
    for module in (milvus, opensearch_client):
        monkeypatch.setattr(module, "SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as door:
        url = f"http://127.0.0.1:{door.getsockname()[1]}"
        if not hangs:
            door.close()
        with pytest.raises(EngineDown, match=r"Milvus|Connect|ReadTimeout"):
            engines.outside(store, workspace, engines.connect(Serve(retriever=name, retriever_url=url)))


def test_what_an_engine_refuses_is_said(opensearch, store):
    _, url = opensearch
    engine = engines.connect(Serve(retriever="opensearch", retriever_url=url))
    engine.create("limbeck_wrong", 3)
    with pytest.raises(EngineDown, match="refused the Pin 'pin00': wrong dimension"):
        engines.fill(engine, "limbeck_wrong", store)


def test_settings_that_cannot_be(monkeypatch):
    assert engines.connect(Serve()) is None
    with pytest.raises(InputError, match=r"without serve\.retriever_url"):
        engines.connect(Serve(retriever="milvus"))
    with pytest.raises(InputError, match="names SEARCH_PASSWORD, which is not set"):
        engines.connect(Serve(retriever="opensearch", retriever_url="http://me:${SEARCH_PASSWORD}@localhost"))
