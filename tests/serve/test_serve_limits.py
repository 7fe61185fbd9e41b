"""What is too long or too many is refused on every route; whoever is sent away is told when to come back."""

import json
import threading
import time

import anyio
import anyio.lowlevel
import pytest
from live_service import Following, client_of, waiting_to_be_written

from limbeck.serve.limits import AT_ONCE, Queue
from limbeck.serve.messages import MAX_BODY, MAX_DOCUMENTS, MAX_QUERY, Refused
from limbeck.serve.pins import MOST_DELETED, MOST_PUT

LONG, TOO_MANY = "x" * (MAX_QUERY + 1), MAX_DOCUMENTS + 1
POSTED = {
    "/v1/rerank": {"query": "tea", "documents": []},
    "/v2/rerank": {"query": "tea", "documents": []},
    "/rerank": {"query": "tea", "texts": []},
    "/v1/embeddings": {"input": "tea"},
    "/v1/pins": {"delete": ["nobody"]},
}
TOO_MUCH = [
    ("/v1/rerank", {"query": LONG, "documents": []}),
    ("/v1/rerank", {"query": "tea", "documents": ["a"] * TOO_MANY}),
    ("/rerank", {"query": LONG, "texts": []}),
    ("/rerank", {"query": "tea", "texts": ["a"] * TOO_MANY}),
    ("/v1/embeddings", {"input": ["a"] * TOO_MANY}),
    ("/v1/pins", {"put": [{"id": str(i)} for i in range(MOST_PUT + 1)]}),
    ("/v1/pins", {"delete": [str(i) for i in range(MOST_DELETED + 1)]}),
]


@pytest.fixture
def following(store, tmp_path):
    return Following(store, tmp_path)


@pytest.fixture
def client(following):
    with client_of(following, waiting=2) as client:
        yield client


@pytest.mark.parametrize("path", POSTED)
def test_a_body_that_is_too_long_is_413_and_one_that_just_fits_is_read(client, path):
    data = json.dumps(POSTED[path]).encode()
    assert client.post(path, content=data + b" " * (MAX_BODY - len(data))).status_code == 200
    refused = client.post(path, content=data + b" " * (MAX_BODY + 1 - len(data)))
    assert refused.status_code == 413
    assert set(refused.json()) == {"error", "remedy"}


@pytest.mark.parametrize(("path", "body"), TOO_MUCH)
def test_too_long_a_query_or_too_many_of_anything_is_422(client, path, body):
    assert client.post(path, json=body).status_code == 422


@pytest.mark.parametrize(
    "path", [f"/search?q={LONG}", "/search?q=tea&k=41", "/similar?pin_id=pin05&k=41", f"/compare?q={LONG}"]
)
def test_too_long_a_query_or_too_many_pins_in_an_address_is_422(client, path):
    assert client.get(path).status_code == 422


def test_more_changes_than_may_wait_are_sent_away_and_the_others_are_kept(client, following, monkeypatch):
    append, first, go_on, heard = following.journal.append, threading.Event(), threading.Event(), []

    def slowly(requests):
        first.set()
        assert go_on.wait(300)
        append(requests)

    def change(name):
        heard.append(client.post("/v1/pins", json={"put": [{"id": name, "title": "lamp"}]}).status_code)

    monkeypatch.setattr(following.journal, "append", slowly)
    senders = [threading.Thread(target=change, args=(f"new{i}",)) for i in range(3)]
    senders[0].start()
    assert first.wait(300)
    for sender in senders[1:]:
        sender.start()
    while waiting_to_be_written(client) < 2:
        time.sleep(0.01)
    refused = client.post("/v1/pins", json={"delete": ["pin05"]})
    assert (refused.status_code, int(refused.headers["retry-after"]) >= 1) == (429, True)
    go_on.set()
    for sender in senders:
        sender.join(300)
    assert heard == [200] * 3
    assert client.get("/v1/pins/pin05").status_code == 200
    assert client.get("/v1/pins/new2").status_code == 200


def test_long_work_lets_others_have_their_turn():
    order, queue = [], Queue(longest=8)

    async def others():
        async with anyio.create_task_group() as group:
            group.start_soon(queue.in_turns, lambda part: order.append(tuple(part)), range(10), 2)
            await anyio.lowlevel.checkpoint()
            group.start_soon(queue.work, order.append, "short")

    anyio.run(others)
    assert [part for part in order if part != "short"] == [(i, i + 1) for i in range(0, 10, 2)]
    assert order.index("short") == 1


def test_work_in_turns_is_refused_at_its_first_turn_alone():
    async def refused():
        with pytest.raises(Refused):
            await Queue(longest=0).in_turns(list, [1, 2, 3], 1)

    anyio.run(refused)


@pytest.mark.parametrize("count", [0, 1, AT_ONCE, 2 * AT_ONCE + 1])
def test_many_documents_are_graded_as_each_alone(client, following, count):
    documents = [{"title": f"red sofa {i}"} if i % 3 else {"id": f"pin{i % 50:02d}"} for i in range(count)]
    found = client.post("/v1/rerank", json={"query": "red sofa", "documents": documents})
    assert found.status_code == 200, found.text
    levels = {result["index"]: result["expected_level"] for result in found.json()["results"]}
    fields = [{"pin_id": d["id"]} if "id" in d else d for d in documents]
    alone = {i: following.ranker.rerank_documents("red sofa", [d])[0].expected_level for i, d in enumerate(fields)}
    assert levels == pytest.approx(alone, abs=1e-4)
