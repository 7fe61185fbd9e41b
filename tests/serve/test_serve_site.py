"""The pages as they are asked for: what they show, and what they say when something is wrong."""

import dataclasses
import html
import re

import pyarrow as pa
import pytest
from fixed import Fixed
from served import HOSTILE
from starlette.testclient import TestClient

from limbeck.errors import InputError
from limbeck.serve import app, page, running
from limbeck.serve.compare import Judgments
from limbeck.serve.others import Others
from limbeck.serve.ranker import Ranker
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
    assert f'>{level}</span> <span class="number">' in narrowed
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
        assert page.signed(said.effect) in text
        assert said.source.replace("_", " ") in text
    assert f"{ranker.rerank('red sofa', ['pin30'])[0].expected_level:.2f}" in text
    assert "clicks and saves of the Pin" in text


def test_without_a_query_it_tells_of_no_level(client):
    text = shown(client, "/pins/pin30")
    assert 'class="effect' not in text
    assert "<mark>" not in text
    assert "board titles" in text


def test_it_says_where_each_source_came_from(client):
    text = shown(client, "/pins/pin30")
    for origin in ("the Pin’s own", "what its picture shows", "boards that people saved it on", "searches after which"):
        assert origin in text


def test_pins_like_it_lead_on(client, ranker):
    text = shown(client, "/pins/pin30?q=red+sofa")
    for pin in ranker.similar("pin30", 12):
        assert f'href="/pins/{pin.pin_id}?q=red+sofa"' in text


def test_a_pins_own_page_leads_to_the_boards_that_it_is_on(client):
    text = shown(client, "/pins/pin01?q=red+sofa")
    assert "On 3 boards" in text
    leading = re.findall(r'href="(/boards/.*?)"', text)
    assert leading == ["/boards/b%2F1?q=red+sofa", "/boards/lamps?q=red+sofa", "/boards/hostile?q=red+sofa"]
    assert [html.unescape(n) for n in re.findall(r'class="number">(.*?)<', text)] == ["50 Pins", "7 Pins", "4 Pins"]
    assert "Untitled board" in text


def test_a_board_shows_its_pins_page_by_page_the_one_saved_last_first(client, workspace):
    first, second = shown(client, "/boards/b%2F1"), shown(client, "/boards/b%2F1?page=2")
    held = [re.findall(r'href="/pins/(\w+)"', text) for text in (first, second)]
    assert list(map(len, held)) == [48, 2]
    saved = workspace.table("saves").to_pylist()
    order = sorted((s for s in saved if s["board_id"] == "b/1"), key=lambda s: s["pin_id"])
    order.sort(key=lambda s: s["saved_at"], reverse=True)
    assert held[0] + held[1] == [s["pin_id"] for s in order]
    assert 'rel="next" href="?page=2"' in first
    assert 'rel="prev" href="?page=1"' in second
    assert 'rel="next"' not in second


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/boards/nobody", 404, "Unknown board: &#39;nobody&#39;"),
        ("/boards/lamps?page=2", 404, "The board has no page 2"),
        ("/boards/lamps?page=x", 422, "Expected `int`"),
        ("/boards/lamps?page=0", 422, "Expected `int` &gt;= 1"),
    ],
)
def test_a_board_or_page_that_is_not_there(client, address, status, said):
    assert said in shown(client, address, status)


def test_a_workspace_without_boards_has_none(store):
    bare = Ranker(dataclasses.replace(store, boards=None))
    with TestClient(app.create(Fixed(bare), Serve()), headers={"accept": "text/html"}) as client:
        assert "boards" not in shown(client, "/pins/pin30").split("<main>")[1].replace("boards that people", "")
        assert "Unknown board" in shown(client, "/boards/lamps", 404)


def test_the_panel_is_the_part_of_the_page_that_says_why(client):
    whole, part = (shown(client, f"/pins/pin30?q=red+sofa{more}") for more in ("", "&panel=1"))
    assert "<!doctype" not in part
    why = part[part.index('<section class="verdict"') : part.rindex("</section>")]
    assert why in whole
    assert 'href="/pins/pin30?q=red+sofa"' in part


def test_the_first_page_shows_pins_and_proposes_what_most_was_judged_of(client):
    text = shown(client, "/")
    assert '<a href="/?q=red+sofa" dir="auto">red sofa</a>' in text
    pins = re.findall(r'href="/pins/(\w+)"', text)
    assert 8 < len(pins) == len(set(pins)) <= 18


@pytest.mark.parametrize("address", ["/nothing", "/images/nobody.png", "/search?q="])
def test_a_browser_is_told_of_an_error_on_a_page_and_a_program_in_json(client, address):
    page_of = client.get(address)
    assert 'role="alert"' in page_of.text
    assert page_of.headers["content-security-policy"] == page.HEADERS["Content-Security-Policy"]
    in_json = client.get(address, headers={"accept": "*/*"})
    assert in_json.status_code == page_of.status_code >= 400
    assert in_json.json()["error"]


def test_our_own_fault_is_a_page_that_shows_nothing_of_the_inside(ranker, monkeypatch):
    def fault(*asked):
        raise ZeroDivisionError("a secret of the inside")

    monkeypatch.setattr(ranker, "find", fault)
    with TestClient(app.create(Fixed(ranker), Serve()), raise_server_exceptions=False) as client:
        text = client.get("/?q=red+sofa", headers={"accept": "text/html"}).text
    assert "Something went wrong in the service" in text
    assert 'value="red sofa"' in text
    assert "secret" not in text


def test_whoever_is_sent_away_is_told_when_to_come_back(ranker):
    with TestClient(app.create(Fixed(ranker), Serve(waiting=0))) as client:
        answer = client.get("/?q=red+sofa", headers={"accept": "text/html"})
    assert (answer.status_code, int(answer.headers["retry-after"]) >= 1) == (429, True)
    assert 'role="alert"' in answer.text


def test_the_student_of_another_workspace_stands_beside_this_ones(workspace, store, ranker):
    beside = Ranker(store, others=Others(workspace, store, {"student (before)": ranker}))
    with TestClient(app.create(Fixed(beside), Serve()), headers={"accept": "text/html"}) as client:
        text = shown(client, "/compare?q=red+sofa&right=student+(before)")
    assert '<h2 id="ranker2">student (before)</h2>' in text
    assert beside.first("student (before)", "red sofa", 5, 500) == ranker.search("red sofa", 5, 500)


def test_whoever_is_lost_is_led_to_the_search_page(client):
    text = shown(client, "/nothing", 404)
    assert "There is no page at this address" in text
    assert '<a href="/">Search page</a>' in text
    assert client.get("/nothing", headers={"accept": "*/*"}).json()["remedy"] == "GET / lists what there is"


def test_a_result_leads_to_its_own_page_and_to_where_it_links(client, ranker):
    text = shown(client, "/?q=red+sofa")
    for pin in ranker.search("red sofa", 50, 500):
        assert f'<a href="/pins/{pin.pin_id}?q=red+sofa">' in text
        assert (f'href="{pin.link}"' in text) == (page.site(pin.link) is not None)


@pytest.mark.parametrize(
    ("effect", "said"), [(0.214, "+0.21"), (-0.03, "−0.03"), (0.004, "0.00"), (-0.004, "0.00"), (0.0, "0.00")]
)
def test_an_effect_has_a_sign_where_there_is_any(effect, said):
    assert page.signed(effect) == said


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
    assert text.count("<path class=") == len(shared)
    assert [html.unescape(p) for p in re.findall(r'<li class="row">.*?href="/pins/(\w+)\?', text, re.S)] == [
        pin.pin_id for pin in (*left, *right)
    ]


def test_workspaces_that_would_read_the_same_are_refused(workspace):
    with pytest.raises(InputError, match="two workspaces to compare are named"):
        running.run(workspace, Serve(port=0), beside=[workspace, workspace])


def test_what_people_said_is_beside_what_was_found(client):
    text = shown(client, "/compare?q=red+sofa&left=student&right=student")
    assert "label 5.0" in text or "label 1.0" in text
    assert "nDCG@10" in text


def test_a_ranker_that_is_not_there(client):
    assert "There is no ranker" in shown(client, "/compare?q=red+sofa&left=magic", 422)


@pytest.mark.parametrize("address", ["/?q=script", "/pins/pin00?q=script", "/compare?q=script", "/boards/hostile", "/"])
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
