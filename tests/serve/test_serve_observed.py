"""What an operator sees: ids, a log without queries, counts and times; and a key where one is asked for."""

import json
import logging

import pytest
from fixed import Fixed
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from limbeck.errors import InputError
from limbeck.serve import app, observed, ranked
from limbeck.serve.budget import FAILED, LATE
from limbeck.serve.metrics import Metrics
from limbeck.serve.ranker import Ranker
from limbeck.settings import Serve

KEY = "a-secret"


@pytest.fixture
def client(store):
    metrics = Metrics()
    serving = Fixed(Ranker(store, stage=metrics.stage))
    with TestClient(app.create(serving, Serve(candidates=40, seconds=0), metrics=metrics)) as client:
        yield client


@pytest.fixture
def logged(caplog):
    caplog.set_level(logging.INFO, "limbeck.serve")
    return lambda: [json.loads(record.message) for record in caplog.records if record.name == "limbeck.serve"]


def scraped(client):
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_requests_are_counted_by_route_and_status(client):
    for path in ("/search?q=red sofa", "/search?q=red sofa", "/search?q=", "/nowhere", "/nowhere/else"):
        client.get(path)
    found = scraped(client)
    assert found["limbeck_requests_total", "search", "200"] == 2
    assert found["limbeck_requests_total", "search", "422"] == 1
    assert found["limbeck_requests_total", "none", "404"] == 2
    assert found["limbeck_request_seconds_count", "search"] == 3


def test_stages_the_cache_and_the_version_are_told(client, store):
    for _ in range(3):
        client.get("/search?q=red sofa")
    found = scraped(client)
    for stage in ("retrieve", "embed", "features", "grade"):
        assert found["limbeck_stage_seconds_count", stage] == 3
        assert found["limbeck_stage_seconds_sum", stage] > 0
    assert found["limbeck_query_cache_misses_total",] == 1
    assert found["limbeck_query_cache_hits_total",] == 5  # retrieving and grading ask for the vector
    assert found["limbeck_pins",] == len(store)
    assert found["limbeck_version", store.model] == 1


def test_a_degraded_answer_is_counted_and_logged(store, logged):
    serving = Fixed(Ranker(store))
    with TestClient(app.create(serving, Serve(candidates=40, results=5, seconds=1e-9))) as client:
        answer = client.get("/search?q=red sofa")
        page = client.get("/?q=red sofa", headers={"Accept": "text/html"})
        assert answer.json()["degraded"] == LATE
        assert len(answer.json()["results"]) == 5
        assert "Nothing could be graded this time" in page.text
        assert scraped(client)["limbeck_degraded_total", LATE] == 2
    assert logged()[0]["degraded"] == LATE


def test_a_line_a_request_and_nothing_of_what_was_searched_for(client, logged):
    client.get("/search?q=something private", headers={"X-Request-Id": "abc-1"})
    (line,) = logged()
    assert (line["request"], line["route"], line["status"]) == ("abc-1", "search", 200)
    assert line["milliseconds"] > 0
    assert "private" not in json.dumps(line)


def test_a_fault_is_one_line_with_the_id_of_its_request(client, monkeypatch, capsys):
    monkeypatch.setattr(ranked, "rounded", None)
    handlers = list(observed.log.handlers)
    observed.to_stderr()
    try:
        assert client.get("/search?q=something private", headers={"X-Request-Id": "abc-2"}).status_code == 200
    finally:
        observed.log.handlers, observed.log.propagate = handlers, True
    fault, line = map(json.loads, capsys.readouterr().err.splitlines())
    assert (fault["level"], fault["message"], fault["request"]) == ("error", "the student failed", "abc-2")
    assert "TypeError" in fault["traceback"]
    assert "private" not in json.dumps(fault)
    assert (line["request"], line["degraded"]) == ("abc-2", FAILED)


def test_queries_are_logged_only_where_that_is_asked_for(ranker, logged):
    with TestClient(app.create(Fixed(ranker), Serve(log_queries=True))) as client:
        client.get("/search?q=red sofa")
    assert logged()[0]["query"] == "red sofa"


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80))
def test_an_id_that_could_break_a_log_is_replaced(ranker, sent):
    with TestClient(app.create(Fixed(ranker), Serve())) as client:
        given_back = client.get("/healthz", headers={"X-Request-Id": sent}).headers["x-request-id"]
    harmless = 0 < len(sent) <= 64 and all(c.isalnum() or c in "_.-" for c in sent)
    assert (given_back == sent) if harmless else len(given_back) == 32


def test_without_the_key_nothing_is_told_but_that_the_service_lives(ranker, monkeypatch):
    monkeypatch.setenv("LIMBECK_KEY", KEY)
    with TestClient(app.create(Fixed(ranker), Serve(key_variable="LIMBECK_KEY"))) as client:
        for headers in ({}, {"Authorization": "Bearer another"}, {"Authorization": f"Basic {KEY}"}):
            for path in ("/search?q=sofa", "/", "/images/01/pin01.png"):
                refused = client.get(path, headers=headers)
                assert refused.status_code == 401
                assert refused.headers["www-authenticate"] == "Bearer"
                assert set(refused.json()) == {"error", "remedy"}
            assert client.post("/v1/rerank", headers=headers, content=b"{}").status_code == 401
        for path in ("/healthz", "/readyz", "/metrics"):
            assert client.get(path).status_code == 200
        assert client.get("/search?q=sofa", headers={"Authorization": f"Bearer {KEY}"}).status_code == 200


def test_a_key_that_is_not_set_is_a_clear_line(ranker, monkeypatch):
    monkeypatch.delenv("LIMBECK_KEY", raising=False)
    with pytest.raises(InputError, match=r"LIMBECK_KEY, which is not set"):
        app.create(Fixed(ranker), Serve(key_variable="LIMBECK_KEY"))
