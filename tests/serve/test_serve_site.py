"""The pages as they are asked for: what they show, and what they say when something is wrong."""

import html
import re

import pyarrow as pa
import pytest
from fixed import Fixed
from served import HOSTILE
from starlette.testclient import TestClient

from limbeck.serve import app, page
from limbeck.serve.compare import Judgments
from limbeck.settings import Serve

JUDGED = pa.table({"query": ["red sofa"] * 2, "pin_id": ["pin00", "pin40"], "level": [1, 5]})


@pytest.fixture(scope="module")
def client(workspace, ranker):
    images = workspace.folder("images/pins")
    with TestClient(app.create(Fixed(ranker), Serve(), images, judgments=Judgments([JUDGED]))) as client:
        client.headers["accept"] = "text/html"
        yield client


def shown(client, address, status=200):
    answer = client.get(address)
    assert answer.status_code == status
    assert answer.headers["content-security-policy"] == page.HEADERS["Content-Security-Policy"]
    return answer.text


def test_facets_count_what_was_found_and_lead_to_it(client, ranker):
    text = shown(client, "/?q=red+sofa")
    found = ranker.search("red sofa", 50, 500)
    german = sum(pin.language == "de" for pin in found)
    assert f'href="/?q=red+sofa&amp;language=de">de <span class="number">{german}</span>' in text
    level = found[0].level
    narrowed = shown(client, f"/?q=red+sofa&level={level}")
    assert narrowed.count('<li class="pin">') == sum(pin.level == level for pin in found)
    assert f'{level} <span class="number">' in narrowed
    assert 'aria-current="true"' in narrowed


def test_a_level_that_nothing_has_leads_back(client, ranker):
    levels = {pin.level for pin in ranker.search("red sofa", 50, 500)}
    absent = next(level for level in range(1, 6) if level not in levels)
    assert "All Pins for this query" in shown(client, f"/?q=red+sofa&level={absent}")


def test_a_level_that_is_none_is_refused(client):
    assert "There is no level" in shown(client, "/?q=red+sofa&level=7", 422)


def test_a_pins_own_page_says_all_it_says_and_why(client, ranker):
    text = shown(client, "/pins/pin30?q=red+sofa")
    assert "<mark>red</mark>" in text
    for said in ranker.why("red sofa", "pin30").sources:
        assert f"{said.effect:+.2f}" in text
        assert said.source.replace("_", " ") in text
    assert f"{ranker.rerank('red sofa', ['pin30'])[0].expected_level:.2f}" in text
    assert "clicks and saves of the Pin" in text


def test_without_a_query_it_tells_of_no_level(client):
    text = shown(client, "/pins/pin30")
    assert 'class="effect' not in text
    assert "<mark>" not in text
    assert "board titles" in text


def test_pins_like_it_lead_on(client, ranker):
    text = shown(client, "/pins/pin30?q=red+sofa")
    for pin in ranker.similar("pin30", 12):
        assert f'href="/pins/{pin.pin_id}?q=red+sofa"' in text


def test_a_pin_that_is_not_there(client):
    assert "Unknown Pins: &#39;nobody&#39;" in shown(client, "/pins/nobody", 404)


def test_a_query_that_is_none(client):
    assert "The query is empty" in shown(client, "/pins/pin30?q=+", 422)


def test_two_rankers_stand_side_by_side(client, ranker):
    text = shown(client, "/compare?q=red+sofa")
    names = re.findall(r'<h2 id="ranker\d">(.*?)</h2>', text)
    assert names == ["text match", "student"]
    left, right = (ranker.first(name, "red sofa", 10, 500) for name in names)
    shared = {pin.pin_id for pin in left} & {pin.pin_id for pin in right}
    assert f"{len(shared)} Pins are among the first 10 of both" in text
    assert text.count("<path ") == len(shared)
    assert [html.unescape(p) for p in re.findall(r'<li class="row">.*?href="/pins/(\w+)\?', text, re.S)] == [
        pin.pin_id for pin in (*left, *right)
    ]


def test_what_people_said_is_beside_what_was_found(client):
    text = shown(client, "/compare?q=red+sofa&left=student&right=student")
    assert "people: 5.0" in text or "people: 1.0" in text
    assert "nDCG@10" in text


def test_a_ranker_that_is_not_there(client):
    assert "There is no ranker" in shown(client, "/compare?q=red+sofa&left=magic", 422)


@pytest.mark.parametrize("address", ["/?q=script", "/pins/pin00?q=script", "/compare?q=script"])
def test_what_pins_say_is_never_markup(client, address):
    text = shown(client, address)
    assert HOSTILE not in text
    assert text.count("<script") == 1  # the page's own
    assert "javascript:" not in text


def test_the_api_explains_as_many_as_it_is_asked(client):
    found = client.get("/search?q=red+sofa&k=5&why=2").json()["results"]
    assert ["why" in pin for pin in found] == [True, True, False, False, False]
    assert found[0]["why"]["sources"][0].keys() == {"source", "texts", "marks", "effect"}
    assert client.get("/search?q=red+sofa&why=21").status_code == 422
