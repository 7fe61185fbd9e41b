"""Rows of the paper's tables: the same figures as an evaluation gives, and what is said of them."""

import dataclasses
from xml.etree import ElementTree

import numpy as np
import pytest

from limbeck import settings
from limbeck.measure import evaluate, reproduction, reproduction_page
from limbeck.measure.evaluation import Comparison, Estimate
from limbeck.measure.reproduction import Entry, Quoted, Row, Table

MEASURE = settings.Measure(baseline="poor", bootstrap=40)
ABOUT = reproduction_page.About("tiny", "a handful of pairs", 40)


@pytest.fixture(scope="module")
def rows(labelled):
    grades, truth = labelled
    entries = [
        Entry("step <one>", "poor", grades["poor"], labelled=10),
        Entry("two", "fair", grades["fair"], 0, labelled=100),
        Entry("three", "good", grades["good"], 1, labelled=1000, note="2 M parameters"),
    ]
    return reproduction.corrected(reproduction.measure(entries, truth, MEASURE, 0))


def made(rows, **changes):
    paper = (Quoted("a teacher", "0.602", "a page"), Quoted("another"))
    table = Table(1, "Graders", "How far?", "Larger is better.", 300, 60, "spearman", 0.95, tuple(rows), paper=paper)
    return dataclasses.replace(table, **changes)


def test_rows_are_measured_as_an_evaluation_does(labelled, rows):
    expected = evaluate.evaluate(*labelled, MEASURE, seed=0)
    for row in rows:
        measured = expected.grader(row.grader).metrics
        assert row.metrics == {name: measured[name] for name in row.metrics}
    against = expected.grader("fair").against_baseline["spearman"]
    assert rows[1].differences["spearman"].difference == against.difference
    assert rows[1].differences["spearman"].p == against.p


def test_the_order_of_the_pairs_does_not_matter(labelled):
    grades, truth = labelled
    order = np.random.default_rng(0).permutation(truth.num_rows)
    entries = [Entry("a", "poor", grades["poor"]), Entry("b", "good", grades["good"], 0)]
    turned = [dataclasses.replace(entry, answers=entry.answers[order]) for entry in entries]
    assert reproduction.measure(turned, truth.take(order), MEASURE, 0) == reproduction.measure(
        entries, truth, MEASURE, 0
    )


def test_p_values_are_corrected_over_the_whole_table(rows):
    compared = [c for row in rows for c in row.differences.values()]
    assert len(compared) == 2
    assert all(c.p_holm >= c.p for c in compared)
    assert max(c.p_holm / c.p for c in compared) == pytest.approx(2)


def difference(value, p):
    return {"spearman": Comparison(Estimate(value, value - 0.1, value + 0.1), p, p)}


@pytest.mark.parametrize(("higher", "as_the_paper"), [(True, "up"), (False, "down")])
def test_differences_are_told_apart_by_direction_and_chance(higher, as_the_paper):
    values = {"up": difference(0.3, 0.001), "down": difference(-0.2, 0.001), "perhaps": difference(0.1, 0.2)}
    rows = [Row(name, "student", {}, "base", found) for name, found in values.items()]
    said = reproduction.findings(made(rows, higher=higher))
    assert said[0].startswith(f"As in the paper: {as_the_paper} (")
    assert said[1] == "Could be chance here: perhaps (+0.100)."
    assert said[2].startswith("The other way round here: " + ("down" if higher else "up"))


def test_the_page_holds_every_row_and_escapes_names(rows):
    page = reproduction_page.html([made(rows)], ABOUT)
    assert "step &lt;one&gt;" in page
    assert "<one>" not in page
    assert "<script" not in page
    for text in ("0.602", "not found", "2 M parameters", "over two", 'href="report.html"'):
        assert text in page
    assert page.count("<svg") >= 3  # the curve, and the two markers of its legend


@pytest.mark.parametrize("labelled_pairs", [True, False])
def test_tables_of_amounts_have_a_curve_and_others_dots(rows, labelled_pairs):
    kept = rows if labelled_pairs else [dataclasses.replace(row, labelled=0) for row in rows]
    page = reproduction_page.html([made(kept)], ABOUT)
    assert ("labelled pairs (logarithmic)" in page) == labelled_pairs


def test_the_markdown_says_the_same(rows):
    text = reproduction_page.markdown([made(rows)], ABOUT)
    assert "## 1. Graders" in text
    assert "a handful of pairs" in text
    assert "| three (2 M parameters) | good |" in text
    assert "| another | not found |  |" in text
    value = rows[2].metrics["spearman"].value
    assert f"{value:.3f} [" in text


def test_the_markdown_has_its_plots_in_files_beside_it(rows):
    table = made(rows)
    [(number, picture)] = reproduction_page.drawn([table]).items()
    root = ElementTree.fromstring(picture)  # ours, and no one else's
    said = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert said[-2:] == list(reproduction_page.CURVES)
    assert "--s1: #" in root.find("{http://www.w3.org/2000/svg}style").text
    text = reproduction_page.markdown([table], ABOUT, {number: "here.svg"})
    assert "](here.svg)" in text
    assert "](here.svg)" not in reproduction_page.markdown([table], ABOUT)
    assert reproduction_page.drawn([made([])]) == {}
