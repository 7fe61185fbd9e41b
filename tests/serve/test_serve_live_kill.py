"""A real server, killed in the midst of writes again and again: nothing that it acknowledged is lost."""

import random
import shutil
import threading
import time

import httpx
import pytest
from live_server import PATIENCE, Server
from longer import longer

from limbeck.live.journal import BEGINNING, Journal, net


class Sender(threading.Thread):
    """Changes its own few Pins without a pause, until the server is gone; knows what was acknowledged of each."""

    def __init__(self, client, name, known):
        super().__init__(daemon=True)
        self._client, self._name, self.known = client, name, known

    def run(self):
        for number in range(10**9):
            pin_id = f"{self._name}-{number % 7}"
            title = None if number % 5 == 4 else f"lamp of turn {number} {random.random()}"
            request = {"put": [{"id": pin_id, "title": title}]} if title else {"delete": [pin_id]}
            self.known.pop(pin_id, None)  # until there is an answer, either may be the case
            try:
                answer = self._client.post("/v1/pins", json=request)
            except httpx.HTTPError:
                return
            assert answer.status_code == 200, answer.text
            self.known[pin_id] = title


@pytest.mark.parametrize("kills", [2, longer(200)])
@pytest.mark.timeout(36_000)
def test_a_server_killed_in_the_midst_of_writes_loses_nothing_acknowledged(workspace, tmp_path, kills):
    root, chance = shutil.copytree(workspace.root, tmp_path / "copy"), random.Random(kills)
    server = Server(root, candidates=20, seconds=0, look_seconds=0)
    known, unanswered = [{}, {}, {}], 0
    for _ in range(kills):
        server.start()
        with server.client() as client:
            senders = [Sender(client, f"s{i}", own) for i, own in enumerate(known)]
            for sender in senders:
                sender.start()
            while not all(map(len, known)):
                time.sleep(0.001)
            time.sleep(chance.random() / 2)
            server.kill()
            for sender in senders:
                sender.join(PATIENCE)
        unanswered += sum(len(own) < 7 for own in known)
        assert_kept(net(Journal(root).after(BEGINNING)[0]), known)
    assert unanswered
    server.start()
    try:
        with server.client() as client:
            assert_shown(client, known)
    finally:
        server.kill()


def assert_kept(found, known):
    for own in known:
        kept = {pin_id: found[pin_id].title if found[pin_id] else None for pin_id in own}
        assert kept == own


def assert_shown(client, known):
    for pin_id, title in ((p, t) for own in known for p, t in own.items()):
        answer = client.get(f"/v1/pins/{pin_id}")
        assert (answer.json()["title"] if answer.status_code == 200 else None) == title
