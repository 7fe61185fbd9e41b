import contextlib
import json
import string
import threading
import time
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from fixed import Fixed
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from limbeck.serve import app, openapi
from limbeck.serve.cache import Caches
from limbeck.serve.messages import MAX_BODY, MAX_DOCUMENTS, relevance_scores
from limbeck.serve.ranked import Found
from limbeck.serve.understand import Understood
from limbeck.settings import Serve

HTML = {"Accept": "text/html,application/xhtml+xml"}
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def client(ranker, workspace):
    service = app.create(Fixed(ranker), Serve(candidates=40, results=10, seconds=0), workspace.folder("images/pins"))
    with TestClient(service, raise_server_exceptions=True) as client:
        yield client


def rerank(client, **request):
    return client.post("/v1/rerank", content=json.dumps(request))


def assert_error(response, status, words=""):
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"error", "remedy"}
    assert words in body["error"]
    assert "Traceback" not in response.text


# -- search --


def test_search_answers_as_the_ranker_does(client, ranker):
    answer = client.get("/search", params={"q": "red sofa", "k": 7}).json()
    assert (answer["query"], answer["model"], answer["degraded"]) == ("red sofa", ranker.model, None)
    expected = ranker.search("red sofa", 7, 40)
    assert [r["pin_id"] for r in answer["results"]] == [r.pin_id for r in expected]
    assert answer["results"][0] == {
        "pin_id": expected[0].pin_id,
        "title": expected[0].title,
        "description": expected[0].description,
        "image": expected[0].image,
        "link": expected[0].link,
        "language": expected[0].language,
        "country": expected[0].country,
        "level": expected[0].level,
        "expected_level": expected[0].expected_level,
        "probabilities": list(expected[0].probabilities),
    }


def test_search_without_k_answers_the_usual_number(client):
    assert len(client.get("/search", params={"q": "lamp"}).json()["results"]) == 10


def test_search_by_language(client):
    found = client.get("/search", params={"q": "lamp", "language": "de", "k": "40"}).json()["results"]
    assert {r["language"] for r in found} == {"de", None}


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, "`q`"),
        ({"q": ""}, "`q`"),
        ({"q": "  \t "}, "empty"),
        ({"q": "x" * 1_001}, "1000"),
        ({"q": "a", "k": "0"}, "`int` >= 1"),
        ({"q": "a", "k": "41"}, "k is 41"),
        ({"q": "a", "k": "many"}, "int"),
        ({"q": "a", "k": "9" * 5_000}, ""),
        ({"q": "a", "k": "1.5"}, "int"),
    ],
)
def test_a_wrong_search_is_refused(client, parameters, words):
    assert_error(client.get("/search", params=parameters), 422, words)


@given(st.text(max_size=1_100), st.text(max_size=5), st.text(max_size=5))
def test_no_search_is_a_fault(client, query, k, language):
    for headers, path in (({}, "/search"), (HTML, "/")):
        response = client.get(path, params={"q": query, "k": k, "language": language}, headers=headers)
        assert response.status_code in (200, 422)


@given(st.text(alphabet=(string.digits + string.ascii_letters + string.punctuation).replace("#", ""), max_size=40))
def test_no_raw_query_string_is_a_fault(client, raw):
    response = client.get(f"/search?{raw}")
    assert response.status_code in (200, 422)


# -- re-rank --


def test_reranking_pins_gives_the_offline_grades(client, grader):
    pins = [f"pin{i:02d}" for i in range(0, 50, 3)]
    answer = rerank(client, query="oak shelf", documents=[{"id": p} for p in pins]).json()
    offline = grader.grade(pa.table({"query": ["oak shelf"] * len(pins), "pin_id": pins}))
    assert sorted(r["index"] for r in answer["results"]) == list(range(len(pins)))
    for r in answer["results"]:
        # The service keeps the Pins' shares in 16 bits: what is lost of them moves the fifth decimal.
        assert r["probabilities"] == pytest.approx(offline[r["index"]].tolist(), abs=2e-4)
        assert r["relevance_score"] == pytest.approx((r["expected_level"] - 1) / 4, abs=1e-5)
    scores = [r["relevance_score"] for r in answer["results"]]
    assert scores == sorted(scores, reverse=True)
    assert answer["model"].startswith("student-")


def test_documents_come_back_when_asked_for(client):
    documents = ["a red sofa", {"text": "tea", "title": "Pot"}, {"id": "pin04"}]
    answer = rerank(client, query="sofa", documents=documents, return_documents=True).json()
    shown = {r["index"]: r["document"] for r in answer["results"]}
    assert shown == {0: {"text": "a red sofa"}, 1: {"text": "tea", "title": "Pot"}, 2: {"id": "pin04"}}
    without = rerank(client, query="sofa", documents=documents).json()
    assert all("document" not in r for r in without["results"])


def test_top_n_keeps_the_best(client):
    documents = ["a", "red sofa", {"id": "pin04"}]
    everything = rerank(client, query="sofa", documents=documents).json()["results"]
    assert rerank(client, query="sofa", documents=documents, top_n=2).json()["results"] == everything[:2]
    assert rerank(client, query="sofa", documents=documents, top_n=20).json()["results"] == everything


def test_pins_alone_are_answered_as_pins_among_documents(client):
    pins = [{"id": f"pin{i:02d}"} for i in (7, 3, 48, 3, 0, 31)]
    for more in ({}, {"top_n": 3}, {"top_n": 20}):
        alone = rerank(client, query="oak shelf", documents=pins, **more).json()
        among = rerank(client, query="oak shelf", documents=pins, return_documents=True, **more).json()
        for result in among["results"]:
            assert result.pop("document") == pins[result["index"]]
        assert alone["results"] == among["results"]
        assert alone.keys() == among.keys()
        assert (alone["model"], alone["usage"]) == (among["model"], among["usage"])


def test_keys_that_other_clients_send_are_ignored(client):
    request = {"query": "sofa", "documents": ["a"], "model": "rerank-v3", "max_tokens_per_doc": 4096, "truncate": "END"}
    assert rerank(client, **request).status_code == 200


def test_no_documents_no_results(client):
    assert rerank(client, query="sofa", documents=[]).json()["results"] == []


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({}, "query"),
        ({"query": "a"}, "documents"),
        ({"query": "", "documents": []}, "query"),
        ({"query": " \n", "documents": []}, "empty"),
        ({"query": "x" * 1_001, "documents": []}, "query"),
        ({"query": 5, "documents": []}, "query"),
        ({"query": "a", "documents": "b"}, "documents"),
        ({"query": "a", "documents": [5]}, "documents[0]"),
        ({"query": "a", "documents": [{"txt": "a"}]}, "txt"),
        ({"query": "a", "documents": ["a", {"id": "pin01", "title": "b"}]}, "documents[1]"),
        ({"query": "a", "documents": [{"text": "a", "description": "b"}]}, "documents[0]"),
        ({"query": "a", "documents": [{"id": "pin01"}, {"id": "who?"}, {"id": ""}]}, "'who?', ''"),
        ({"query": "a", "documents": [{"id": "pin01"}] * (MAX_DOCUMENTS + 1)}, "documents"),
        ({"query": " ", "documents": [{"id": "pin01"}]}, "empty"),
        ({"query": "a", "documents": [{"id": "pin01"}], "top_n": 0}, "top_n"),
        ({"query": "a", "documents": [{"id": "pin01"}], "model": 5}, "model"),
        ({"query": "a", "documents": [{"id": 5}]}, "documents[0]"),
        ({"query": "a", "documents": ["a"] * (MAX_DOCUMENTS + 1)}, "documents"),
        ({"query": "a", "documents": [], "top_n": 0}, "top_n"),
        ({"query": "a", "documents": [], "top_n": "1"}, "top_n"),
        ([], "object"),
    ],
)
def test_a_wrong_rerank_is_refused(client, request_, words):
    assert_error(client.post("/v1/rerank", content=json.dumps(request_)), 422, words)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"\xff\xfe", b'{"query": "\xff"}', b'{"query": "a\x00", "documents": []}', b"[" * 9,
        b'{"query": "\\ud800 alone", "documents": []}', b'{"x":' * 50_000, b'{"query": "a", "documents": [] } {}',
    ],
)  # fmt: skip
def test_what_is_no_json_is_refused(client, body):
    assert_error(client.post("/v1/rerank", content=body), 422 if body.startswith(b"[") else 400)


def test_a_long_body_is_refused_unread(client):
    fits = json.dumps({"query": "a", "documents": ["x" * (MAX_BODY - 100)]}).encode()
    assert client.post("/v1/rerank", content=fits).status_code == 200
    assert_error(client.post("/v1/rerank", content=b" " * (MAX_BODY + 1)), 413)
    read = []

    def endless():
        for i in range(1_000):
            read.append(i)
            yield b" " * 65_536

    assert_error(client.post("/v1/rerank", content=endless()), 413)


@given(JSON_VALUES, JSON_VALUES, JSON_VALUES, st.sampled_from(["query", "documents", "top_n", "return_documents", "x"]))
def test_no_json_is_a_fault(client, whole, value, document, key):
    right = {"query": "a", "documents": ["b", {"text": "c"}]}
    for body in (whole, {**right, key: value}, {**right, "documents": [document, value]}):
        assert client.post("/v1/rerank", content=json.dumps(body)).status_code in (200, 422)


@given(st.binary(max_size=60))
def test_no_bytes_are_a_fault(client, body):
    assert client.post("/v1/rerank", content=body).status_code in (400, 422)


@given(st.text(min_size=1, max_size=200).filter(str.strip), st.lists(st.text(max_size=200), max_size=3))
def test_any_text_can_be_graded(client, query, texts):
    response = client.post("/v1/rerank", content=json.dumps({"query": query, "documents": texts}))
    assert response.status_code in ((200,) if _is_text(query, *texts) else (400,))


def _is_text(*texts):
    return not any("\ud800" <= c <= "\udfff" for t in texts for c in t)


def test_relevance_scores_lie_between_0_and_1():
    assert relevance_scores([0.99999, 1.0, 3.0, 5.0, 5.00001]).tolist() == [0, 0, 0.5, 1, 1]
    assert relevance_scores([]).tolist() == []


# -- the rest --


def test_health(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz").json()
    assert (ready["status"], ready["pins"]) == ("ready", 50)


def test_the_routes_are_listed_for_programs(client):
    assert client.get("/").json()["routes"] == openapi.ROUTES


def test_what_is_not_there_is_an_error_in_json(client):
    assert_error(client.get("/nothing"), 404)
    assert_error(client.get("/v1/rerank"), 405)
    assert client.get("/v1/rerank").headers["allow"] == "POST"


def test_a_picture_is_served(client):
    response = client.get("/images/01/pin01.png")
    assert response.headers["content-type"] == "image/png"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.content.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "path",
    ["", "01", "nobody.png", "../tables/pins.json", "..%2ftables%2fpins.json", "%2e%2e/%2e%2e/etc/passwd",
     "//etc/passwd", "01/..%5c..%5cpins.json", "%00", "01/pin01.png%00.png", "a" * 5_000 + ".png"],
)  # fmt: skip
def test_nothing_but_pictures_is_served(client, path):
    assert_error(client.get(f"/images/{path}"), 404)


def test_the_page_shows_results_without_running_what_they_say(client):
    response = client.get("/", params={"q": "script alert quotes", "k": "40"}, headers=HTML)
    assert response.status_code == 200
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in response.text
    assert response.text.count("<script") == 1  # the page's own
    assert "javascript:" not in response.text
    assert "{{ 7 * 7 }}" in response.text


def test_the_page_begins_with_a_box_and_says_what_is_wrong(client):
    begin = client.get("/", headers=HTML)
    assert 'name="q"' in begin.text
    assert begin.headers["content-type"].startswith("text/html")
    wrong = client.get("/", params={"q": " "}, headers=HTML)
    assert wrong.status_code == 422
    assert 'role="alert"' in wrong.text


class Plain:
    """A ranker that understands every query as it is."""

    def understand(self, query, fully):
        return Understood(query, None, None, None)


class Slow(Plain):
    """A ranker whose texts wait until they may go on, and whose searches take a while."""

    model, caches = "student-slow", Caches()

    def __init__(self):
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.together = self.most_together = 0

    def __len__(self):
        return 1

    def grade_documents(self, query, documents):
        with self._work():
            self.begun.set()
            assert self.go_on.wait(300)
        return np.full((len(documents), 5), 0.2, np.float32)

    def find(self, *asked):
        with self._work():
            time.sleep(0.02)
        return Found(np.empty(0, np.int64), None)

    def answered(self, found):
        return []

    @contextlib.contextmanager
    def _work(self):
        self.together += 1
        self.most_together = max(self.most_together, self.together)
        yield
        self.together -= 1


@contextlib.contextmanager
def at_work(client, slow):
    """Texts are being read meanwhile; afterwards, they are answered."""
    answers = []
    body = {"query": "a", "documents": ["text"]}
    reading = threading.Thread(target=lambda: answers.append(client.post("/v1/rerank", json=body)))
    reading.start()
    assert slow.begun.wait(300)
    try:
        yield
    finally:
        slow.go_on.set()
    reading.join(300)
    assert [answer.status_code for answer in answers] == [200]


def test_the_service_answers_while_the_model_reads_and_the_model_works_once_at_a_time():
    slow = Slow()
    with TestClient(app.create(Fixed(slow), Serve())) as client:
        searches = [threading.Thread(target=client.get, args=("/search?q=a",)) for _ in range(3)]
        with at_work(client, slow):
            for search in searches:
                search.start()
            assert client.get("/healthz").status_code == 200
        for search in searches:
            search.join(300)
    assert slow.most_together == 1


def test_whoever_cannot_wait_is_sent_away_at_once_and_the_others_are_answered():
    slow = Slow()
    with TestClient(app.create(Fixed(slow), Serve(waiting=2))) as client:
        answers = []
        searches = [threading.Thread(target=lambda: answers.append(client.get("/search?q=a"))) for _ in range(2)]
        with at_work(client, slow):
            for search in searches:
                search.start()
            deadline = time.monotonic() + 20
            while "limbeck_waiting 2.0" not in client.get("/metrics").text:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            refused = client.get("/search?q=b")
            assert_error(refused, 429, "2 requests are waiting")
            assert int(refused.headers["retry-after"]) >= 1
            page = client.get("/?q=b", headers=HTML)
            assert page.status_code == 429
            assert 'role="alert"' in page.text
        for search in searches:
            search.join(300)
        assert [answer.status_code for answer in answers] == [200] * 2
        assert client.get("/search?q=b").status_code == 200


def test_of_searches_that_come_in_while_one_is_at_work_no_more_wait_than_may():
    slow, answers = Slow(), []
    with TestClient(app.create(Fixed(slow), Serve(waiting=2))) as client:
        searches = [threading.Thread(target=lambda: answers.append(client.get("/search?q=a"))) for _ in range(40)]
        for search in searches:
            search.start()
        for search in searches:
            search.join(300)
        found = Counter(answer.status_code for answer in answers)
        assert set(found) == {200, 429}
        assert found[200] >= 3
        assert client.get("/search?q=a").status_code == 200
    assert slow.most_together == 1


class Faulty:
    """A ranker with a bug."""

    model = "student-faulty"

    def find(self, *asked):
        raise ZeroDivisionError("a secret of the inside")


def test_our_own_fault_shows_nothing_of_the_inside():
    with TestClient(app.create(Fixed(Faulty()), Serve()), raise_server_exceptions=False) as client:
        response = client.get("/search?q=a")
    assert_error(response, 500)
    assert response.headers["x-request-id"]
    assert "secret" not in response.text
    with TestClient(app.create(Fixed(Faulty()), Serve())) as client, pytest.raises(ZeroDivisionError):
        client.get("/search?q=a")  # the server hears of it, for its log
