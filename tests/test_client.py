"""The client in one file against the real service in this process, and against one that is busy or odd."""

import ast
from pathlib import Path

import httpx
import pytest

from limbeck import client
from limbeck.client import Limbeck, LimbeckError


def answering(*answers):
    """A transport with these answers, in turn, and the requests that it was sent."""
    asked, waiting = [], list(answers)

    def answer(request):
        asked.append(request)
        return waiting.pop(0)

    return httpx.MockTransport(answer), asked


def test_it_needs_nothing_but_httpx_and_what_python_brings():
    tree = ast.parse(Path(client.__file__).read_text(encoding="utf-8"))
    named = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    named |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert named == {"time", "collections.abc", "types", "typing", "urllib.parse", "httpx"}


def test_requests_are_those_of_the_service():
    ok = [httpx.Response(200, json={"data": [{"embedding": [1.0, 2.0]}]}) for _ in range(7)]
    transport, asked = answering(*ok)
    with Limbeck("http://limbeck.example/behind", key="secret", transport=transport) as limbeck:
        limbeck.search("red sofa & lamp", k=3, language="de", why=2)
        limbeck.rerank("red sofa", ["a", {"id": "81"}], top_n=1)
        limbeck.rerank("red sofa", [])
        assert limbeck.embed(["a"]) == [[1.0, 2.0]]
        limbeck.similar("81")
        limbeck.pin("a/b c?d%")
        limbeck.change([{"id": "81", "title": "b"}], ["82"])
    assert [f"{r.method} {r.url.raw_path.decode()}" for r in asked] == [
        "GET /behind/search?q=red+sofa+%26+lamp&k=3&language=de&why=2",
        "POST /behind/v1/rerank",
        "POST /behind/v1/rerank",
        "POST /behind/v1/embeddings",
        "GET /behind/similar?pin_id=81",
        "GET /behind/v1/pins/a%2Fb%20c%3Fd%25",
        "POST /behind/v1/pins",
    ]
    assert asked[1].read() == b'{"query":"red sofa","documents":["a",{"id":"81"}],"return_documents":false,"top_n":1}'
    assert b"top_n" not in asked[2].read()
    assert asked[6].read() == b'{"put":[{"id":"81","title":"b"}],"delete":["82"]}'
    assert all(r.headers["authorization"] == "Bearer secret" for r in asked)


def test_a_busy_service_is_asked_again_after_as_long_as_it_says():
    busy = [
        httpx.Response(429, headers={"Retry-After": s}, json={"error": "busy", "remedy": None}) for s in ("3", "60")
    ]
    transport, asked = answering(*busy, httpx.Response(200, json={"results": []}))
    waited = []
    assert Limbeck(transport=transport, wait=waited.append).search("sofa") == {"results": []}
    assert waited == [3.0, client.LONGEST_WAIT]
    assert len(asked) == 3


def test_a_service_that_stays_busy_is_left_alone():
    busy = [httpx.Response(429, json={"error": "busy", "remedy": "Try again later"}) for _ in range(3)]
    transport, asked = answering(*busy)
    with pytest.raises(LimbeckError, match=r"busy\. Try again later") as refused:
        Limbeck(transport=transport, wait=lambda seconds: None).search("sofa")
    assert (refused.value.status, refused.value.remedy, len(asked)) == (429, "Try again later", 3)


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (httpx.Response(422, json={"error": "the query is empty", "remedy": "Send a word"}), "the query is empty"),
        (httpx.Response(502, text="<h1>Bad gateway</h1>"), "<h1>Bad gateway</h1>"),
        (httpx.Response(503), "Service Unavailable"),
        (httpx.Response(500, json=["what?"]), '["what?"]'),
    ],
)
def test_what_is_refused_is_said(response, said):
    transport, _ = answering(response)
    with pytest.raises(LimbeckError) as refused:
        Limbeck(transport=transport).ready()
    assert (refused.value.status, refused.value.error) == (response.status_code, said)
