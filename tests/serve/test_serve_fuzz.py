"""Nothing that is sent is a fault of the service, or makes it hang: broken HTTP, and what its schema allows or not."""

import asyncio
import contextlib
import shutil
import time

import hypothesis
import pytest
import schemathesis
from counted import failures
from hypothesis.errors import Unsatisfiable
from live_server import PATIENCE, Server
from longer import longer
from raw_http import Sender

NO_FAULT = {"deadline": None, "database": None, "suppress_health_check": list(hypothesis.HealthCheck)}


@pytest.fixture
def server(workspace, tmp_path):
    root = shutil.copytree(workspace.root, tmp_path / "copy")
    server = Server(root, candidates=20, results=5, seconds=0, look_seconds=0, waiting=1_000)
    server.start()
    yield server
    server.kill()


def assert_well(server):
    """It still answers, and counts no fault of its own."""
    with server.client() as client:
        assert client.get("/search?q=red+sofa&k=3").json()["degraded"] is None
        assert failures(client) == []


@pytest.mark.parametrize("cases", [300, longer(90_000)])
@pytest.mark.timeout(14_400)
def test_no_bytes_are_a_fault_or_make_it_hang(server, cases):
    sender, begun = Sender(server.port, cases, PATIENCE), time.monotonic()
    for _ in range(10):
        asyncio.run(sender.send(cases // 10))
        assert_well(server)
    print(f"\n{cases} raw requests, {time.monotonic() - begun:.0f} s, answered with {sorted(sender.heard.items())}")
    assert sender.unanswered == []
    assert {200, 400, 404, 405, 413, 422} <= set(sender.heard) <= set(range(100, 500))


@pytest.mark.parametrize("cases", [160, longer(20_000)])
@pytest.mark.timeout(14_400)
def test_nothing_made_from_its_schema_is_a_fault(server, cases):
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    heard, begun = {}, time.monotonic()

    def ask(case):
        status = case.call(timeout=PATIENCE).status_code
        heard[status] = heard.get(status, 0) + 1
        assert status < 500, case.as_curl_command()

    for place, operation in enumerate(operations):
        for mode in schemathesis.GenerationMode:
            asked = hypothesis.given(operation.as_strategy(generation_mode=mode))(ask)
            examples = hypothesis.settings(max_examples=cases // (2 * len(operations)), **NO_FAULT)
            with contextlib.suppress(*[Unsatisfiable] * mode.is_negative):  # where any text is right, none is wrong
                hypothesis.seed(place)(examples(asked))()
        assert_well(server)
    seconds, count = time.monotonic() - begun, sum(heard.values())
    print(f"\n{count} requests from the schema, {seconds:.0f} s, answered with {sorted(heard.items())}")
