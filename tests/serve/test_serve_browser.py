"""The service's pages as people meet them: in a real browser, by keyboard, at the width of a phone and of a desk."""

import contextlib
import itertools
import threading

import chromium
import pyarrow as pa
import pytest
import uvicorn
from fixed import Fixed
from longer import longer
from on_a_port import serving

from limbeck import listening
from limbeck.serve import app
from limbeck.serve.compare import Judgments
from limbeck.settings import Serve

PAGES = (
    "/",
    "/?q=red+sofa",
    "/?q=red+sofa&language=xx&level=1",
    "/?q=red+sofa&level=9",
    "/pins/pin01?q=red+sofa",
    "/boards/b%2F1",
    "/compare?q=red+sofa",
    "/nothing",
)
JUDGED = pa.table({"query": ["red sofa"], "pin_id": ["pin00"], "level": [2]})


@pytest.fixture(scope="module")
def url(workspace, ranker):
    service = app.create(Fixed(ranker), Serve(), workspace.folder("images/pins"), judgments=Judgments([JUDGED]))
    server = uvicorn.Server(uvicorn.Config(service, log_level="error"))
    with listening.listen("127.0.0.1", 0, "serve") as door:
        thread = threading.Thread(target=server.run, args=([door],))
        thread.start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        server.should_exit = True
        thread.join()


LEFT = "net::ERR_ABORTED"  # what was still on its way when the page was left


@contextlib.contextmanager
def opened(browser, address, **context):
    page = browser.new_context(**context).new_page()
    page.set_default_timeout(60_000)
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda said: page.complaints.append(said.text) if "Content Security" in said.text else None)
    page.on("requestfailed", lambda request: page.complaints.append(request.url) if request.failure != LEFT else None)
    page.goto(address)
    yield page
    page.context.close()


@pytest.mark.parametrize(
    ("width", "scheme"), [(360, "dark"), (1600, "light"), longer(360, "light"), longer(1600, "dark")]
)
def test_pages_fit_have_landmarks_and_can_be_read(browser, url, width, scheme):
    with opened(browser, url, viewport={"width": width, "height": 900}, color_scheme=scheme) as page:
        for address in PAGES:
            page.goto(url + address)
            assert chromium.faults(page) == [], address
        assert page.complaints == []


def test_from_the_box_to_the_reasons_by_keyboard_alone(browser, url):
    with opened(browser, url, viewport={"width": 1200, "height": 900}) as page:
        page.keyboard.type("red sofa")  # the box has the focus
        page.keyboard.press("Enter")
        page.wait_for_selector(".results")
        link = page.locator("a.reasons").first
        link.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("dialog[open] .verdict")
        assert page.locator("dialog mark").count()
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog", state="hidden")
        assert page.evaluate("document.activeElement.className") == "reasons"
        page.keyboard.press("Enter")
        page.wait_for_selector("dialog[open] .onward")
        page.locator("dialog .onward").press("Enter")
        page.wait_for_selector(".whole .verdict")
        page.get_by_role("link", name="Compare rankers").press("Enter")
        page.wait_for_selector(".columns")
        page.get_by_label("The left ranker").select_option("student")
        page.get_by_role("button", name="Compare").press("Enter")
        page.wait_for_url("**left=student**")
        assert page.locator(".lines path.same").count() == 10


def test_what_opens_beside_the_feed_can_be_read_and_fits(browser, url):
    for width, scheme in ((360, "dark"), (1600, "light")):
        with opened(
            browser, f"{url}/?q=red+sofa", viewport={"width": width, "height": 900}, color_scheme=scheme
        ) as page:
            page.locator("a.reasons").first.click()
            page.wait_for_selector("dialog[open] .verdict")
            assert chromium.faults(page) == []
            assert page.eval_on_selector("dialog", "d => d.scrollWidth <= d.clientWidth")
            page.get_by_role("button", name="Close").click()
            page.wait_for_selector("dialog", state="hidden")
            assert page.complaints == []


def test_where_the_reasons_cannot_be_had_their_page_says_why(browser, url):
    with opened(browser, f"{url}/?q=red+sofa") as page:
        page.route("**/*panel=1", lambda route: route.fulfill(status=429))
        page.locator("a.reasons").first.click()
        page.wait_for_selector(".whole")
        assert "/pins/" in page.url
        assert page.locator("dialog[open]").count() == 0


TALLER = """() => {
  for (const pin of document.querySelectorAll(".pin:nth-child(3n)")) pin.style.paddingBottom = "90px";
  return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
}"""
BOXES = "all => all.map(e => e.getBoundingClientRect()).map(r => [r.x, r.y, r.height])"


@pytest.mark.parametrize(("width", "most"), [(360, 1), (1200, 4)])
def test_pins_stand_as_close_as_they_fit_in_the_order_in_which_they_are_read(browser, url, width, most):
    with opened(browser, f"{url}/?q=red+sofa", viewport={"width": width, "height": 900}) as page:
        page.wait_for_load_state("networkidle")  # pictures have their heights
        page.evaluate(TALLER)
        boxes = page.eval_on_selector_all(".results > .pin", BOXES)
        assert [y for _, y, _ in boxes] == sorted(y for _, y, _ in boxes)
        lanes = {x: [(y, height) for other, y, height in boxes if other == x] for x, _, _ in boxes}
        assert len(lanes) == most
        for lane in lanes.values():
            for (y, height), (below, _) in itertools.pairwise(lane):
                assert below - (y + height) == pytest.approx(16, abs=2.5)  # in whole pixels


def test_where_an_answer_takes_long_the_page_says_so(browser, url):
    with opened(browser, url) as page:
        assert not page.locator(".waiting").is_visible()
        page.route("**/?q=*", lambda route: route.fulfill(status=204))  # no answer: the page stays
        page.keyboard.type("red sofa")
        page.keyboard.press("Enter")
        page.locator(".waiting").wait_for()


def test_where_there_was_no_time_to_grade_the_page_says_so(browser, ranker):
    hurried = app.create(Fixed(ranker), Serve(candidates=40, results=5, seconds=1e-9))
    with serving(hurried) as url, opened(browser, f"{url}/?q=red+sofa", viewport={"width": 360, "height": 740}) as page:
        assert "Nothing could be graded this time" in page.get_by_role("status").first.inner_text()
        assert page.locator(".pin").count() == 5
        assert page.locator(".pin .badge").count() == 0
        assert chromium.faults(page) == []


def test_a_result_leads_to_its_own_page_wherever_it_is_clicked(browser, url):
    with opened(browser, f"{url}/?q=red+sofa", viewport={"width": 1200, "height": 900}) as page:
        page.locator(".pin").first.click(position={"x": 40, "y": 40})  # on its picture
        page.wait_for_selector(".whole")
        assert "/pins/" in page.url


def test_lines_begin_and_end_at_their_rows(browser, url):
    for width in (360, 1200):
        with opened(
            browser, f"{url}/compare?q=red+sofa&left=student", viewport={"width": width, "height": 900}
        ) as page:
            lines, rows = (page.locator(selector).bounding_box() for selector in (".lines", ".column:first-child ol"))
            assert lines["y"] == pytest.approx(rows["y"], abs=1)
            assert lines["height"] == pytest.approx(rows["height"], abs=1)
