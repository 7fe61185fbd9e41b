"""The service as a process: it says where it is, answers, and leaves when told to."""

import json
import os
import signal
import socket
import subprocess
import sys

import httpx
import pytest
from redis_server import RedisServer

from limbeck import listening
from limbeck.errors import InputError
from limbeck.serve import running
from limbeck.settings import Serve
from limbeck.workspace import Workspace

PATIENCE = 600  # seconds after which a process is taken for hung: on a busy machine, imports alone take minutes


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


@pytest.fixture
def served(workspace, redis, tmp_path):
    """A running service: its process and its address."""
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f'[world]\n[serve]\nport = 0\nredis = "{redis.url}"', encoding="utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "limbeck", "--json", "serve", str(recipe), "--workspace", str(workspace.root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        for line in process.stdout:
            said = json.loads(line)
            if said["event"] == "ready":
                break
        yield process, said["url"]
    finally:
        process.kill()
        process.communicate()


def test_a_process_serves_until_it_is_told_to_stop(served, ranker, redis):
    process, url = served
    with httpx.Client(base_url=url, timeout=PATIENCE) as client:
        assert client.get("/readyz").json()["pins"] == 50
        answer = client.post("/v1/rerank", json={"query": "red sofa", "documents": [{"id": "pin00"}, {"id": "pin05"}]})
        here = ranker.rerank_documents("red sofa", [{"pin_id": "pin00"}, {"pin_id": "pin05"}])
        assert [r["index"] for r in answer.json()["results"]] == [r.index for r in here]
        assert client.get("/images/01/pin01.png").status_code == 200
        assert client.get("/images/..%2f..%2ftables%2fpins.json").status_code == 404
        assert "limbeck_shared_cache_failures_total" in client.get("/metrics").text
        redis.kill()  # and it goes on without
        assert len(client.get("/search?q=a+query+that+nobody+asked&k=5").json()["results"]) == 5
        too_long = client.post("/v1/rerank", content=b" " * 3_000_000)
        assert too_long.status_code == 413
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    assert "Traceback" not in process.stderr.read()


def test_nothing_that_is_sent_waits_for_what_was_sent_before():
    with listening.listen("127.0.0.1", 0, "serve") as door, socket.create_connection(door.getsockname()):
        accepted, _ = door.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_in_use_is_a_clear_line():
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(InputError, match=r"cannot listen on 127.0.0.1"),
    ):
        listening.listen("127.0.0.1", taken.getsockname()[1], "serve")


def test_what_is_no_address_of_a_redis_is_a_clear_line_before_anything_is_loaded(tmp_path):
    with pytest.raises(InputError, match="no address of a Redis"):
        running.run(Workspace(tmp_path / "nothing"), Serve(redis="localhost:6379"))


def test_the_service_stays_on_this_machine_unless_told_otherwise():
    assert Serve().host == "127.0.0.1"
