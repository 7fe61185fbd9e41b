"""The desk as people meet it: in a real browser, by keys and by touch, with and without a connection."""

import time

import chromium
import pytest
from longer import longer
from small_desks import make_pairs, served

from limbeck.rate.store import ADMIN, reading

QUERIES = tuple(f"query {i}" for i in range(8))
PATIENCE = 60_000  # milliseconds: a busy machine is no fault


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    raters = tuple(f"rater{i}" for i in range(12))
    with served(tmp_path_factory.mktemp("desk"), make_pairs(QUERIES), raters=raters, each=12) as server:
        yield server


@pytest.fixture
def visit(server, browser):
    """Open somebody's link; whatever the page complains of while it is open fails the test."""
    pages = []

    def opened(person, **context):
        page = browser.new_context(**context).new_page()
        page.set_default_timeout(PATIENCE)
        page.complaints = []
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
        page.goto(server.link(person))
        page.wait_for_url(lambda url: "/enter" not in url)
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.context.close()


def shown(page):
    return page.inner_text("#query"), page.inner_text("#title")


def press(page, keys):
    """Press keys one after the other; the pair that was shown at each."""
    page.wait_for_selector("#pair:not([hidden])")
    seen = []
    for key in keys:
        seen.append(shown(page))
        page.keyboard.press(key)
    return seen


def saved(page):
    page.wait_for_selector("body[data-unsent='0']")
    assert page.inner_text("#state") == "All saved"


def answers(server, person):
    with reading(server.database) as store:
        words = {p.pair: p.query for p in store.pairs()}
        return [(words[a.pair], a.action, a.level, a.note) for a in store.answers() if a.person == person]


def test_keys_rate_and_the_next_pair_is_there_at_once(server, visit):
    page = visit("rater0")
    seen = press(page, "54321sf")
    assert len(set(seen)) == 7  # every key met another pair, without any wait between them
    saved(page)
    assert sorted((query, action, level) for query, action, level, _ in answers(server, "rater0")) == sorted(
        (query, "rate" if key in "12345" else {"s": "skip", "f": "flag"}[key], int(key) if key.isdigit() else None)
        for (query, _), key in zip(seen, "54321sf")
    )
    assert page.inner_text("#count").startswith("7 of ")
    assert page.complaints == []


@pytest.mark.long
def test_undo_leads_back_also_after_the_page_was_opened_anew(server, visit):
    page = visit("rater1")
    first, second = press(page, "52")
    saved(page)
    page.keyboard.press("u")
    assert shown(page) == second
    page.reload()
    page.wait_for_selector("#pair:not([hidden])")
    assert shown(page) == second
    page.keyboard.press("u")
    assert shown(page) == first
    page.keyboard.press("1")
    saved(page)
    assert [(level, action) for _, action, level, _ in answers(server, "rater1")] == [(1, "rate")]


@pytest.mark.long
def test_a_note_goes_along_and_its_letters_are_no_keys(server, visit):
    page = visit("rater2")
    page.wait_for_selector("#pair:not([hidden])")
    before = shown(page)
    page.keyboard.press("n")
    page.keyboard.type("sofas 1 and 2 <b>", delay=0)
    assert shown(page) == before
    page.keyboard.press("Escape")
    page.keyboard.press("4")
    saved(page)
    assert [(level, note) for _, _, level, note in answers(server, "rater2")] == [(4, "sofas 1 and 2 <b>")]


def test_without_a_connection_it_goes_on_and_catches_up(server, visit):
    page = visit("rater3")
    page.wait_for_selector("#pair:not([hidden])")
    page.context.set_offline(True)
    seen = press(page, "12345" * 4)
    page.wait_for_selector("#state[data-state=offline]")
    assert "kept on this device" in page.inner_text("#state")
    assert len(set(seen)) == 20
    assert answers(server, "rater3") == []
    page.context.set_offline(False)
    saved(page)
    assert sorted(level for _, _, level, _ in answers(server, "rater3")) == sorted([1, 2, 3, 4, 5] * 4)
    assert page.evaluate("Object.keys(localStorage).length") == 0


@pytest.mark.long
def test_a_minute_without_a_connection_is_caught_up_with(server, visit):
    page = visit("rater11")
    page.wait_for_selector("#pair:not([hidden])")
    page.context.set_offline(True)
    begun, seen = time.monotonic(), []
    while time.monotonic() - begun < 65:
        seen += press(page, "12345"[len(seen) % 5])
        page.wait_for_timeout(2_000)
    assert len(set(seen)) == len(seen) > 10
    assert answers(server, "rater11") == []
    page.context.set_offline(False)
    saved(page)
    assert [level for _, _, level, _ in answers(server, "rater11")].count(1) == -(-len(seen) // 5)
    assert len(answers(server, "rater11")) == len(seen)


def test_a_pin_without_words_says_so(visit):
    page = visit("rater10")
    seen = press(page, "3" * 48)
    assert {title for _, title in seen} >= {"This Pin says nothing", "Title 2"}


@pytest.mark.long
def test_what_was_not_sent_when_the_page_closed_is_sent_when_it_opens(server, visit):
    page = visit("rater4")
    page.wait_for_selector("#pair:not([hidden])")
    page.route("**/events", lambda route: route.abort())
    seen = press(page, "555")
    again = page.context.new_page()
    page.close(run_before_unload=False)
    again.goto(server.url)
    saved(again)
    again.wait_for_selector("#pair:not([hidden])")
    assert len(answers(server, "rater4")) == 3
    assert shown(again) not in seen


def test_a_server_that_is_killed_under_the_raters_hands_loses_and_doubles_nothing(server, visit):
    page = visit("rater5")
    press(page, "5" * 8)
    server.kill()
    press(page, "4" * 8)
    server.start()
    press(page, "3" * 8)
    saved(page)
    assert sorted(level for _, _, level, _ in answers(server, "rater5")) == [3] * 8 + [4] * 8 + [5] * 8
    with reading(server.database) as store:
        assert sum(row["person"] == "rater5" for row in store.history()) == 24


@pytest.mark.long
def test_all_pairs_can_be_rated_and_the_end_is_said(server, visit):
    page = visit("rater6")
    seen = press(page, "3" * 48)
    assert len(seen) == 48
    page.wait_for_selector("#rest:not([hidden])")
    page.wait_for_selector("#resting:has-text('All done')")
    saved(page)
    assert len(answers(server, "rater6")) == 48
    page.keyboard.press("3")
    page.keyboard.press("u")
    page.wait_for_selector("#pair:not([hidden])")
    assert shown(page) == seen[-1]


@pytest.mark.parametrize(
    ("width", "scheme"), [(360, "dark"), (1600, "light"), longer(360, "light"), longer(1600, "dark")]
)
def test_pages_fit_have_landmarks_and_can_be_read(server, visit, width, scheme):
    look = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    for person, main in (("rater7", "#pair:not([hidden])"), (ADMIN, "#raters")):
        page = visit(person, **look)
        page.wait_for_selector(main)
        assert chromium.faults(page) == []
        assert page.complaints == []
    for address in ("/enter#of-nobody", "/nothing"):
        page.goto(server.url + address)
        page.wait_for_selector("main p:not(:has-text('Opening'))")
        assert chromium.faults(page) == []


@pytest.mark.long
def test_touch_rates_as_keys_do(server, visit):
    page = visit("rater8", viewport={"width": 360, "height": 740}, has_touch=True)
    page.wait_for_selector("#pair:not([hidden])")
    before = shown(page)
    page.tap("button[data-level='4']")
    assert shown(page) != before
    page.tap("button[data-act=undo]")
    assert shown(page) == before
    page.tap("button[data-act=skip]")
    saved(page)
    assert [action for _, action, _, _ in answers(server, "rater8")] == ["skip"]


@pytest.mark.long
def test_the_administrator_settles_a_conflict_with_one_click(server, visit):
    page = visit("rater9")
    page.wait_for_selector("#pair:not([hidden])")
    query, _ = shown(page)
    page.keyboard.press("f")
    saved(page)
    overview = visit(ADMIN)
    row = overview.locator("#live .conflicts > li", has_text=query).first
    row.locator("button[data-level='2']").click()
    overview.wait_for_selector("button[data-level='2'][aria-pressed=true]")
    with reading(server.database) as store:
        assert [a.level for a in store.answers() if a.person == ADMIN] == [2]
    assert overview.complaints == []
