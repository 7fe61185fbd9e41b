"""A real server, killed midway again and again: what it acknowledged is there, and nothing is there twice."""

import threading
import time

import httpx
import pytest
from small_desks import PINS, make_pairs, served

from limbeck.rate.store import reading

KILLS = 3
QUERIES = tuple(f"query {i}" for i in range(20))


@pytest.fixture
def server(tmp_path):
    pairs = make_pairs(QUERIES, gold=0)
    with served(tmp_path, pairs, each=1, raters=("ana",)) as server:
        yield server


def client_of(server, person):
    client = httpx.Client(base_url=server.url, timeout=300)
    client.post("/enter", json={"secret": server.secrets[person]}).raise_for_status()
    return client


class Sender(threading.Thread):
    """Sends events one after the other, again and again until each is acknowledged."""

    def __init__(self, client, pairs):
        super().__init__(daemon=True)
        self._client, self._pairs = client, pairs
        self.acknowledged, self.lost_answers = [], 0

    def run(self):
        for number, pair in enumerate(self._pairs):
            event = {"id": f"event-{number:06d}", "pair": pair, "action": "rate", "level": 1 + number % 5}
            while not self._sent(event):
                self.lost_answers += 1
                time.sleep(0.02)

    def _sent(self, event):
        try:
            answer = self._client.post("/events", json=[event])
        except httpx.HTTPError:
            return False
        assert answer.status_code == 200
        self.acknowledged += answer.json()["kept"]
        return True


@pytest.mark.long
def test_a_server_killed_midway_loses_no_acknowledged_rating_and_doubles_none(server):
    client = client_of(server, "ana")
    pairs = [p["pair"] for p in client.post("/next", json={}).json()["ahead"]]
    sender = Sender(client, pairs)
    sender.start()
    for kill in range(KILLS):
        while len(sender.acknowledged) < (kill + 1) * len(pairs) // (KILLS + 2):
            time.sleep(0.001)
        server.process.kill()
        server.kill()
        safe = list(sender.acknowledged)
        with reading(server.database) as store:
            kept = [f"event-{pairs.index(a.pair):06d}" for a in store.answers()]
            assert set(safe) <= set(kept)
            assert len(store.history()) == len(kept)
        server.start()
    sender.join(600)
    assert not sender.is_alive()
    assert sender.lost_answers > 0
    with reading(server.database) as store:
        levels = {a.pair: a.level for a in store.answers()}
        assert levels == {pair: 1 + number % 5 for number, pair in enumerate(pairs)}
        assert len(store.history()) == len(pairs)


def test_keys_without_a_pause_are_all_kept(server):
    client, number = client_of(server, "ana"), 0
    while pairs := client.post("/next", json={}).json()["ahead"]:
        for pair in pairs:
            event = {"id": f"event-{number:06d}", "pair": pair["pair"], "action": "rate", "level": 3}
            assert client.post("/events", json=[event]).json()["kept"] == [event["id"]]
            number += 1
    assert number == len(QUERIES) * len(PINS)
    with reading(server.database) as store:
        assert len(store.answers()) == len(store.history()) == number
