"""The desk over HTTP: who gets in, what raters are shown, what is kept, and what no request can do."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_desks import HOSTILE, PINS, RATERS
from starlette.testclient import TestClient

from limbeck.rate import app, export, page
from limbeck.rate.store import ADMIN
from limbeck.relevance import LEVEL_NAMES, LEVELS

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def service(desk, store, tmp_path):
    guide = tmp_path / "guide.md"
    guide.write_text("# Guide\n\n<script>alert(1)</script> [x](javascript:alert(1)) **5** is best", encoding="utf-8")
    return app.create(desk, store, guide)


def enter(service, store, person):
    client = TestClient(service, base_url="https://desk.example")
    assert client.post("/enter", json={"secret": store.secrets()[person]}).status_code == 200
    return client


@pytest.fixture
def ana(service, store):
    return enter(service, store, "ana")


@pytest.fixture
def admin(service, store):
    return enter(service, store, ADMIN)


def ahead(client, **ask):
    return client.post("/next", json=ask).json()["ahead"]


def send(client, *events):
    numbered = [{"id": f"{i:08d}-{e['pair'][:6]}-{e['action']}", **e} for i, e in enumerate(events)]
    return client.post("/events", json=numbered)


def rating(pair, level, **more):
    return {"pair": pair, "action": "rate", "level": level, **more}


# -- signing in --


def test_a_link_becomes_a_cookie_that_neither_scripts_nor_other_sites_get(service, store):
    with TestClient(service, base_url="https://desk.example") as client:
        assert client.get("/").status_code == 401
        cookie = client.post("/enter", json={"secret": store.secrets()["ana"]}).headers["set-cookie"].lower()
        assert all(word in cookie for word in ("httponly", "samesite=strict", "secure"))
        assert "ana" in client.get("/").text


@pytest.mark.parametrize("secret", ["", "x", "ana", "é" * 40])
def test_no_other_secret_opens_the_desk(service, secret):
    client = TestClient(service)
    answer = client.post("/enter", json={"secret": secret})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(("method", "path"), [("post", "/next"), ("post", "/events"), ("get", "/pictures/0")])
def test_nothing_is_shown_or_kept_for_strangers(service, method, path):
    answer = getattr(TestClient(service), method)(path, **({"json": []} if method == "post" else {}))
    assert answer.status_code == 401


@pytest.mark.parametrize("path", ["/admin", "/admin/live", *(f"/admin/{name}" for name in export.FILES)])
def test_raters_do_not_see_what_the_administrator_sees(ana, path):
    assert ana.get(path).status_code == 401
    assert ana.post("/admin/settle", json={"pair": "0" * 16, "level": 1}).status_code == 401


def test_forms_of_other_sites_are_refused(ana):
    body = json.dumps([rating(ahead(ana)[0]["pair"], 1, id="event-0001")])
    assert ana.post("/events", content=body, headers={"Content-Type": "text/plain"}).status_code == 415


# -- rating --


def test_what_is_rated_comes_no_more_and_an_undo_brings_it_back(ana, store):
    first, second, *_ = ahead(ana)
    assert send(ana, rating(first["pair"], 5)).json()["refused"] == []
    assert ahead(ana)[0] == second
    found = ana.post("/next", json={"past": True}).json()
    assert (found["past"], found["done"]) == ([first], 1)
    send(ana, {"pair": first["pair"], "action": "undo"})
    assert ahead(ana)[0] == first
    assert [row["action"] for row in store.history()] == ["rate", "undo"]


def test_what_the_browser_holds_is_not_sent_again(ana):
    mine = ahead(ana)
    assert ahead(ana, holding=[p["pair"] for p in mine[:3]]) == mine[3:]
    assert ahead(ana, holding=[p["pair"] for p in mine]) == []


def test_events_of_unknown_pairs_are_refused_and_the_others_kept(ana, store):
    answer = send(ana, rating("0" * 16, 5), rating(ahead(ana)[0]["pair"], 5)).json()
    assert (len(answer["kept"]), len(answer["refused"])) == (1, 1)
    assert len(store.answers()) == 1


def test_raters_are_blind_to_each_other_and_to_what_is_gold(ana, service, store):
    ben = enter(service, store, "ben")
    before = ben.post("/next", json={}).content
    for pair in ahead(ana):
        send(ana, rating(pair["pair"], 2, note="ana was here"))
    assert ben.post("/next", json={}).content == before
    assert set(ahead(ben)[0]) == {"pair", "query", "queryLanguage", "title", "description", "language", "picture"}


def test_a_full_disk_acknowledges_nothing(ana, store):
    pair = ahead(ana)[0]["pair"]
    store._connection.execute("PRAGMA query_only = ON")
    answer = send(ana, rating(pair, 5))
    assert answer.status_code == 503
    store._connection.execute("PRAGMA query_only = OFF")
    assert store.history() == []
    assert ahead(ana)[0]["pair"] == pair


def test_pictures_are_those_of_pairs_and_nothing_else(ana):
    shown = [pair for pair in ahead(ana) if pair["picture"]]
    assert ana.get(shown[0]["picture"]).headers["content-type"] == "image/png"
    for path in ("0" * 16, "..%2f..%2fratings.sqlite", "1.png"):
        assert ana.get(f"/pictures/{path}").status_code == 404


@given(st.sampled_from(["/next", "/events", "/enter"]), JSON_VALUES)
def test_no_json_is_a_fault(shared_client, path, value):
    sent = shared_client.post(path, content=json.dumps(value), headers={"Content-Type": "application/json"})
    assert sent.status_code in (200, 403, 422)


@pytest.fixture(scope="module")
def shared_client(tmp_path_factory):
    from small_desks import make_pairs

    from limbeck.rate.desk import Desk
    from limbeck.rate.store import writing

    folder = tmp_path_factory.mktemp("shared")
    (folder / "guide.md").write_text("Guide", encoding="utf-8")
    with writing(folder / "r.sqlite") as store:
        store.invite([ADMIN, *RATERS])
        store.add(make_pairs())
        yield enter(app.create(Desk(store, PINS, folder, 2, 0), store, folder / "guide.md"), store, "ana")


def test_a_long_body_is_refused_unread(ana):
    headers = {"Content-Type": "application/json"}
    assert ana.post("/events", content=b" " * (app.MAX_BODY + 1), headers=headers).status_code == 413
    assert ana.post("/events", content=b"{", headers=headers).status_code == 422


# -- pages --


def test_no_page_runs_what_others_wrote(ana, admin, store):
    pair = next(p for p in ahead(ana) if p["title"] == HOSTILE)
    send(ana, {"pair": pair["pair"], "action": "flag", "note": "<img src=x onerror=alert(2)>"})
    desk, overview = ana.get("/"), admin.get("/admin")
    for answer in (desk, overview):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "alert(1)</script>" not in answer.text.replace("&lt;script&gt;alert(1)&lt;/script&gt;", "")
    assert 'href="javascript:' not in desk.text
    assert "<strong>5</strong> is best" in desk.text
    assert "&lt;img src=x onerror=alert(2)&gt;" in overview.text
    assert "{{ 7 * 7 }}" in overview.text


def test_pages_fetch_scripts_and_styles_from_here_alone(ana, admin):
    for answer in (ana.get("/"), ana.get("/enter"), admin.get("/admin")):
        assert "style=" not in answer.text
        assert " onclick" not in answer.text
        assert "//" not in answer.text.replace("<!doctype html>", "")
        for part in answer.text.split('"/static/')[1:]:
            name, version = part.split('"')[0].split("?v=")
            assert page.STATIC[name].version == version
            found = ana.get(f"/static/{name}")
            assert found.content == page.STATIC[name].content
            assert found.headers["content-type"].startswith(page.STATIC[name].kind)


def test_guidelines_are_a_file_that_can_be_edited_while_the_desk_is_open(ana, tmp_path):
    assert "<h1>Guide</h1>" in ana.get("/").text
    (tmp_path / "guide.md").write_text("## Sofas\n\n> *red sofa* → a red sofa", encoding="utf-8")
    text = ana.get("/").text
    assert "<h2>Sofas</h2>" in text
    assert "<em>red sofa</em> → a red sofa" in text
    assert "Guide</h1>" not in text


def test_the_guidelines_that_come_along_have_an_example_for_every_level():
    said = Path(page.__file__).with_name("guidelines.md").read_text(encoding="utf-8")
    assert re.findall(r"^\*\*(\d) – (.+?)\.\*\*.*?^> ", said, re.S | re.M) == [
        (str(level), LEVEL_NAMES[level]) for level in sorted(LEVELS, reverse=True)
    ]


@pytest.mark.parametrize("path", ["/nothing", "/admin/nothing.csv", "/pictures/0123456789abcdef"])
def test_a_person_is_told_on_a_page_what_a_script_is_told_in_json(admin, path):
    for_person = admin.get(path, headers={"accept": "text/html,*/*;q=0.8"})
    assert "There is no page at this address." in for_person.text
    assert '<a href="/">' in for_person.text
    assert for_person.headers["content-security-policy"] == page.HEADERS["Content-Security-Policy"]
    for_script = admin.get(path)
    assert for_script.status_code == for_person.status_code == 404
    assert for_script.json() == {"error": "not found"}


# -- the administrator --


def test_the_overview_shows_conflicts_and_what_is_settled_stays_settled(admin, service, store):
    people = {name: enter(service, store, name) for name in RATERS}
    todo = {name: {p["pair"] for p in ahead(client)} for name, client in people.items()}
    gold = {p.pair for p in store.pairs() if p.gold}
    shared = min((todo["ana"] & todo["ben"]) - gold)
    send(people["ana"], rating(shared, 5))
    send(people["ben"], rating(shared, 1, note="a lamp"))
    assert f'data-pair="{shared}"' in admin.get("/admin/live").text
    assert "a lamp" in admin.get("/admin/live").text
    assert admin.post("/admin/settle", json={"pair": shared, "level": 4}).status_code == 200
    assert export.judgments(store).column("level").to_pylist() == [4]
    admin.post("/admin/settle", json={"pair": shared, "level": None})
    assert export.judgments(store).column("level").to_pylist() == [5, 1]


def test_files_are_for_the_administrator_to_take(admin, ana):
    assert admin.get("/admin/judgments.csv").status_code == 409
    assert "judgments.csv" not in admin.get("/admin").text
    pair = next(p for p in ahead(ana))
    for one in ahead(ana):
        send(ana, rating(one["pair"], 3))
    for name in export.FILES:
        answer = admin.get(f"/admin/{name}")
        assert answer.status_code == 200
        assert "attachment" in answer.headers["content-disposition"]
        assert answer.content
    assert 'href="/admin/judgments.csv"' in admin.get("/admin").text
    assert pair["pair"] not in admin.get("/admin/judgments.csv").text
    assert admin.get("/admin/ratings.sqlite").status_code == 404
