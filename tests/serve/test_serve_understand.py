"""What the answer says of how a query was understood, and that it changes what is found, never what is graded."""

import dataclasses
from datetime import UTC, datetime

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fixed import Fixed
from starlette.testclient import TestClient

from limbeck import records
from limbeck.index import typed, understanding
from limbeck.serve import app
from limbeck.serve.ranker import Ranker
from limbeck.serve.understand import Understander
from limbeck.settings import Serve

HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def client(ranker, workspace):
    with TestClient(app.create(Fixed(ranker), Serve(candidates=40, results=10), workspace.folder("images/pins"))) as it:
        yield it


def test_the_answer_says_what_was_understood(client, ranker):
    answer = client.get("/search", params={"q": " Weding  DRESS"}).json()
    assert answer["query"] == " Weding  DRESS"
    assert answer["understood"] == msgspec.to_builtins(ranker.understand("weding dress"))
    assert answer["understood"]["normalised"] == "weding dress"
    assert answer["understood"]["spelled"] == "wedding dress"
    right = client.get("/search", params={"q": "wedding dress"}).json()["understood"]
    assert right["spelled"] is None


class ByWords:
    """A retriever that knows two queries."""

    def __init__(self, store, **found):
        self.found = {query: store.rows(pins) for query, pins in found.items()}

    def retrieve(self, query, k):
        return self.found.get(query.replace(" ", "_"), np.zeros(0, np.int64))[:k]


def test_both_spellings_find_and_what_was_typed_is_graded(store):
    retriever = ByWords(store, weding_dress=["pin07", "pin03"], wedding_dress=["pin12", "pin03"])
    found = Ranker(store, retriever).search("weding dress", 10, 10)
    assert found == Ranker(store).rerank("weding dress", ["pin03", "pin07", "pin12"])
    fewer = Ranker(store, retriever).search("weding dress", 10, 2)
    assert {p.pin_id for p in fewer} == {"pin03", "pin07"}  # what both have comes first, then in the order of rows


def test_a_known_query_is_retrieved_by_itself_alone(store):
    retriever = ByWords(store, wedding_dress=["pin12"], weding_dress=["pin07"])
    assert [p.pin_id for p in Ranker(store, retriever).search("wedding dress", 10, 10)] == ["pin12"]


def test_the_page_asks_whether_another_spelling_was_meant(client):
    page = client.get("/", params={"q": "weding dress", "language": "en"}, headers=HTML).text
    assert 'Did you mean <a href="/?q=wedding+dress&amp;language=en">wedding dress</a>?' in page
    assert "Did you mean" not in client.get("/", params={"q": "wedding dress"}, headers=HTML).text
    hostile = client.get("/", params={"q": "<b>weding</b>"}, headers=HTML).text
    assert "<b>wedding</b>" not in hostile


def test_a_workspace_of_before_corrects_nothing(store):
    without = dataclasses.replace(store, understanding=understanding.Understanding(None, understanding.Languages()))
    ranker = Ranker(without)
    assert ranker.understand("weding dress").spelled is None
    assert ranker.search("weding dress", 3, 10)


def impression(search, query, language, position):
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return {
        "search_id": search, "searched_at": at, "user_id": "ana", "country": None, "language": language,
        "query": query, "pin_id": f"pin{position:02d}", "position": position, "clicked": False,
        "dwell_seconds": None, "saved": False,
    }  # fmt: skip


def test_words_and_languages_are_learnt_from_pins_and_the_log(workspace, tmp_path):
    rows = [impression(f"s{i}", f"{w} regal", "de", p) for i, w in enumerate(["küche"] * 15) for p in (1, 2)]
    rows += [impression(f"t{i}", "shelf for the kitchen", "en", 1) for i in range(15)]
    log = tmp_path / "log.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=records.schema("impressions")), log)
    assert typed.count([log]) == {("küche regal", "de"): 15, ("shelf for the kitchen", "en"): 15}
    out = tmp_path / "out"
    out.mkdir()
    understanding.build(lambda name: [workspace.table(name)], [log], out)
    ours = understanding.Understanding(understanding.Spelling(out), understanding.languages.open(out))
    assert ours.languages.names == ["de", "en"]
    assert Understander(ours).understand("Küche  Regall").normalised == "küche regall"
    assert ours.spelling.meant("regal") is None  # no Pin has it, and nothing is like it
