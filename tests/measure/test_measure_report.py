import dataclasses
import itertools
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import chromium
import pytest
from longer import longer
from PIL import Image

from limbeck import settings
from limbeck.measure import evaluate, plots, svg, wording
from limbeck.measure.attacks import FlipRate
from limbeck.measure.evaluation import Comparison, Estimate, Lead
from limbeck.measure.pictures import EDGE, data_uri
from limbeck.measure.plots import CurvePoint, Point
from limbeck.measure.report import Contents, Example, render

VOID = {"meta", "img", "link", "br", "input"}


class Page(HTMLParser):
    """Tags, text and attributes of a page; complains where tags do not nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def having(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def evaluation(labelled):
    return evaluate.evaluate(*labelled, settings.Measure(baseline="poor", bootstrap=40), seed=0)


@pytest.fixture
def contents(labelled, evaluation, tmp_path):
    Image.new("RGB", (900, 300), "teal").save(tmp_path / "pin.png")
    (mistake, other) = evaluate.worst(*labelled, "good", 2)
    hostile = dataclasses.replace(mistake, query='<script>alert("q")</script>')
    examples = (
        Example(hostile, {"title": "<script>alert(1)</script>", "description": None}, tmp_path / "pin.png"),
        Example(other, {"title": "图 ‏صورة‎ Übung", "board_titles": ""}, tmp_path / "missing.png"),
    )
    curve = (
        CurvePoint(100, "good", 0.6, 0.5, 0.7),
        CurvePoint(1000, "good", 0.7),
        CurvePoint(100, "new", 0.4, 0.3, 0.5),
    )
    return Contents(
        title="Toys & <b>games</b>",
        evaluation=evaluation,
        curve=curve,
        examples_of="good",
        examples=examples,
        flip_rates=(
            FlipRate("good", "instruction", Estimate(0.25, 0.125, 0.375), 40, 20),
            FlipRate("poor", "instruction", Estimate(None), 0, 0),
        ),
        problems=("pins: 3 titles are <empty>",),
        settings={"seed": 0, "text": {"sources": ("title", "caption"), "nested": {"deep": 1.5}}},
        seconds={"text": 1.25, "teacher": 185.0},
    )


def test_whatever_pins_and_queries_say_is_escaped(contents):
    html = render(contents)
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<b>" not in html
    assert "图 ‏صورة‎ Übung" in html
    Page(html)


def test_the_page_fetches_nothing_and_says_so(contents):
    html = render(contents)
    page = Page(html)
    policy = next(a["content"] for a in page.having("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert not page.having("link")
    assert not page.having("script")
    assert [a["src"].split(",")[0] for a in page.having("img")] == ["data:image/jpeg;base64"]
    assert all(a["href"].startswith("#") for a in page.having("a"))
    assert not re.search(r"url\(|@import|https?://|\son\w+=", html)


def test_flip_rates_stand_in_a_table_where_there_are_any(contents):
    text = " ".join(" ".join(Page(render(contents)).text).split())
    assert "instruction 0.250 0.125–0.375 40 Pins – –" in text  # good, fair (not attacked), poor (nothing to lift)
    assert "try to look relevant" not in render(dataclasses.replace(contents, flip_rates=()))


def test_landmarks_headings_and_links_hold_together(contents):
    page = Page(render(contents))
    assert len(page.having("main")) == len(page.having("nav")) == len(page.having("h1")) == 1
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for a in page.having("a")} <= set(ids)
    assert {a["aria-labelledby"] for _, a in page.tags if "aria-labelledby" in a} <= set(ids)
    order = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(order))
    assert all(a.get("alt") for a in page.having("img"))


def test_the_page_holds_what_it_was_given(contents, evaluation):
    text = " ".join(" ".join(Page(render(contents)).text).split())
    for result in evaluation.graders:
        assert f"{result.metrics['kappa'].value:.3f}" in text
    for wanted in (
        "Good wins.",
        "3 titles are <empty>",
        "title, caption",
        "nested.deep",
        "3 min 05 s",
        "Krippendorff",
        "linear",
    ):
        assert wanted in text
    assert "people" not in text  # whose labels were held out, it is not told


@pytest.mark.parametrize(
    ("width", "scheme"), [(360, "dark"), (1600, "light"), longer(360, "light"), longer(1600, "dark")]
)
def test_the_page_fits_has_landmarks_and_can_be_read(browser, contents, tmp_path, width, scheme):
    (tmp_path / "report.html").write_text(render(contents), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    complaints = []
    page.on("console", lambda said: complaints.append(said.text))
    page.goto((tmp_path / "report.html").as_uri())
    for closed in page.locator("summary").all():
        closed.press("Enter")
    assert chromium.faults(page) == complaints == []
    page.close()


def test_in_print_all_of_a_table_is_on_the_paper(browser, contents, tmp_path):
    (tmp_path / "report.html").write_text(render(contents), encoding="utf-8")
    page = browser.new_page(viewport={"width": 718, "height": 1000}, color_scheme="dark")  # A4 less its margins
    page.goto((tmp_path / "report.html").as_uri())
    page.emulate_media(media="print")
    assert chromium.faults(page) == []
    assert page.eval_on_selector_all(".scroll > table", "all => all.filter(t => t.offsetWidth > 718).length") == 0
    assert not page.get_by_role("navigation").is_visible()
    page.close()


def test_optional_parts_may_be_missing(evaluation):
    bare = dataclasses.replace(evaluation, segments=[], ceiling=None)
    page = Page(render(Contents("Bare", bare)))
    ids = {a["id"] for _, a in page.tags if "id" in a}
    assert ids.isdisjoint({"curve", "segments", "ceiling", "mistakes", "problems", "run"})
    assert {"verdict", "graders", "confusion", "reliability", "method"} <= ids


def test_that_no_problem_was_found_is_said(contents):
    assert "None: rows refer to what is there" in render(dataclasses.replace(contents, problems=()))
    assert "None: rows refer" not in render(contents)


def test_what_graders_are_is_told_of_those_that_are_there(contents):
    html = render(dataclasses.replace(contents, about={"good": "The <best> one.", "absent": "Not here."}))
    assert "The &lt;best&gt; one." in html
    assert "Not here." not in html


def test_unknown_numbers_are_dashes(labelled):
    grades, truth = labelled
    few = evaluate.evaluate(
        {n: g[:1] for n, g in grades.items()}, truth[:1], settings.Measure(baseline="poor", bootstrap=10), seed=0
    )
    text = "".join(Page(render(Contents("One pair", few))).text)
    assert "–" in text
    assert "nan" not in text.lower()
    assert "None" not in text


def test_the_same_contents_give_the_same_bytes(contents):
    assert render(contents) == render(contents)


def test_every_plot_is_well_formed_and_inside_its_frame(contents):
    for drawing in re.findall(r"<svg.*?</svg>", render(contents), re.S):
        root = ElementTree.fromstring(drawing)
        _, _, width, height = map(float, root.attrib["viewBox"].split())
        assert root.find("title") is not None or root.attrib.get("aria-hidden") == "true"
        for line in root.iter("line"):
            assert all(0 <= float(line.attrib[a]) <= width for a in ("x1", "x2"))
            assert all(0 <= float(line.attrib[a]) <= height for a in ("y1", "y2"))


def test_every_line_of_the_learning_curve_has_a_shape_of_its_own(contents):
    drawn = re.search(r'<section id="curve".*?</section>', render(contents), re.S).group()
    marks = re.findall(r'class="mark (s\d)"', drawn[drawn.index("legend") :])
    assert len(marks) == len(set(marks)) == len({p.grader for p in contents.curve}) == 2


def test_an_interval_below_zero_is_not_taken_for_a_difference():
    assert wording.decimals(-0.0414) == "−0.041"


def test_series_differ_by_shape():
    shapes = [re.sub(r"s\d", "", str(svg.marker(i, 10, 10))) for i in range(svg.SERIES)]
    assert len(set(shapes)) == svg.SERIES


@pytest.mark.parametrize(("low", "high"), [(0.301, 0.302), (0, 1), (-0.2, 0.35), (0.5, 0.5), (0.81, 1.0), (-1, 12)])
def test_ticks_are_few_and_span_the_range(low, high):
    marks = svg.ticks(low, high)
    assert marks[0] <= low <= high <= marks[-1]
    assert 2 <= len(marks) <= 7


def test_a_plot_of_nothing_known_is_left_out():
    assert plots.dots("x", [Point("a", 0, Estimate(None))]) == ""
    assert plots.grouped_dots("x", [("en", [Point("a", 0, Estimate(None))])]) == ""


def test_pictures_are_small_and_damaged_ones_are_left_out(tmp_path: Path):
    Image.new("RGBA", (2000, 1000), (0, 0, 0, 0)).save(tmp_path / "large.png")
    uri = data_uri(tmp_path / "large.png")
    assert uri is not None
    assert len(uri) < 4000
    (tmp_path / "vector.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    (tmp_path / "cut.png").write_bytes((tmp_path / "large.png").read_bytes()[:60])
    Image.new("1", (9000, 9000)).save(tmp_path / "bomb.png")
    assert [data_uri(tmp_path / name) for name in ("vector.svg", "cut.png", "bomb.png", "none.png", ".")] == [None] * 5
    assert EDGE < 300


def verdict_of(evaluation, leader, runner_up, p, p_holm, ahead=None):
    """The verdict were `leader` first, with these p-values; `ahead`: that of its lead, if another."""
    comparison = Comparison(Estimate(0.05, 0.01, 0.09), p, p_holm)
    graders = [
        dataclasses.replace(g, against_baseline=dict.fromkeys(g.against_baseline, comparison))
        for g in evaluation.graders
    ]
    lead = Lead(leader, runner_up, dataclasses.replace(comparison, p=ahead or p, p_holm=None))
    return " ".join(wording.verdict(dataclasses.replace(evaluation, graders=graders, lead=lead)))


def test_the_verdict_says_how_sure_it_is(evaluation):
    won = verdict_of(evaluation, "good", "fair", 0.002, 0.06)  # the headline was chosen beforehand: not corrected
    assert won.startswith("Good wins. Its Spearman of ")
    assert (
        "is 0.050 above poor (95% interval +0.010 to +0.090; p = 0.002). Fair follows 0.050 behind (p = 0.002)." in won
    )
    leads = verdict_of(evaluation, "good", "fair", 0.002, 0.06, ahead=0.4)  # who only leads has not won
    assert leads.startswith("Good leads.")
    assert leads.endswith("which could be chance.")
    assert verdict_of(evaluation, "good", "poor", 0.2, 0.6).endswith("p = 0.20): it could be chance.")
    assert "comes first, but not surely" in verdict_of(evaluation, "good", "fair", 0.08, 0.2)
    assert verdict_of(evaluation, "poor", "fair", 0.2, None).startswith("No grader beats poor.")
    assert verdict_of(evaluation, "poor", "fair", 0.2, None).endswith(
        "Fair follows 0.050 behind (p = 0.20), which could be chance."
    )


@pytest.mark.parametrize(
    ("value", "said"), [(0.42, "0.4 s"), (59.4, "59 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")]
)
def test_durations_read_well(value, said):
    assert wording.seconds(value) == said
