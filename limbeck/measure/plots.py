"""The report's plots as SVG text: values with intervals, the learning curve, reliability."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from limbeck.measure.evaluation import Estimate, ReliabilityBin
from limbeck.measure.svg import Scale, element, linear, marker, picture, ticks

WIDTH = 340  # about what a plot gets on the page, so that its text keeps its size


@dataclass(frozen=True)
class Point:
    """An estimate of a series (a grader); `series` picks its colour and shape."""

    name: str
    series: int
    estimate: Estimate


@dataclass(frozen=True)
class CurvePoint:
    """What a grader reached with so many labelled pairs."""

    pairs: int
    grader: str
    value: float
    low: float | None = None
    high: float | None = None


def dots(title: str, points: Sequence[Point]) -> Markup:
    """One labelled row per grader: a marker at its value and a line over its interval."""
    known = [p for p in points if p.estimate.value is not None]
    if not known:
        return Markup("")
    left, right, row = 8.0, WIDTH - 56.0, 40.0
    marks, height = _span([p.estimate for p in known]), row * len(known) + 30
    x = linear(marks[0], marks[-1], left, right)
    drawn = [_grid(x, marks, 4, height - 26), *(_dot_row(p, i * row, x) for i, p in enumerate(known))]
    return picture(WIDTH, height, f"{title}: {_spoken(known)}", *drawn)


def _dot_row(point: Point, top: float, x: Scale) -> Markup:
    value = point.estimate.value or 0.0
    name = element("text", point.name, x=8, y=top + 14, class_="name")
    number = element("text", f"{value:.3f}", x=WIDTH - 4, y=top + 28, class_="number", text_anchor="end")
    return name + _whisker(point, top + 24, x) + marker(point.series, x(value), top + 24) + number


def grouped_dots(title: str, groups: Sequence[tuple[str, Sequence[Point]]]) -> Markup:
    """Rows of groups (segments): in each, one thin row per grader; markers tell which."""
    known = [(name, [p for p in points if p.estimate.value is not None]) for name, points in groups]
    known = [(name, points) for name, points in known if points]
    if not known:
        return Markup("")
    marks = _span([p.estimate for _, points in known for p in points])
    x = linear(marks[0], marks[-1], 8.0, WIDTH - 8.0)
    drawn, top = [], 0.0
    for name, points in known:
        label = element("text", name, x=8, y=top + 15, class_="name")
        rows = [_whisker(p, top + 28 + i * 12, x) + _mark(p, top + 28 + i * 12, x) for i, p in enumerate(points)]
        drawn.append(Markup("").join([label, *rows]))
        top += 28 + len(points) * 12 + 6
    return picture(WIDTH, top + 26, title, _grid(x, marks, 4, top), *drawn)


def _mark(point: Point, y: float, x: Scale) -> Markup:
    return marker(point.series, x(point.estimate.value or 0.0), y, 4)


def _whisker(point: Point, y: float, x: Scale) -> Markup:
    low, high = point.estimate.low, point.estimate.high
    if low is None or high is None:
        return Markup("")
    return element("line", x1=x(low), x2=x(high), y1=y, y2=y, class_=f"whisker s{point.series % 8}")


def curve(title: str, points: Sequence[CurvePoint], series: dict[str, int]) -> Markup:
    """What was learnt from how much data: labelled pairs on a logarithmic axis, one line per grader."""
    left, right, top, bottom = 40.0, 392.0, 10.0, 210.0
    marks = _span([Estimate(p.value, p.low, p.high) for p in points])
    y = linear(marks[0], marks[-1], bottom, top)
    few, many = min(p.pairs for p in points), max(p.pairs for p in points)
    log = linear(math.log(few * 0.85), math.log(many * 1.3), left, right)
    names = sorted({p.grader for p in points}, key=lambda n: series.get(n, 0))
    lines = [
        _curve_line([p for p in points if p.grader == n], series.get(n, 0), lambda v: log(math.log(v)), y)
        for n in names
    ]
    levels = [_level(v, y(v), left, right) for v in marks]
    amounts = _spread_out(sorted({p.pairs for p in points}), lambda v: log(math.log(v)))
    below = [element("text", f"{n:,}", x=log(math.log(n)), y=bottom + 20, text_anchor="middle") for n in amounts]
    caption = element("text", "labelled pairs (logarithmic)", x=right, y=bottom + 38, text_anchor="end")
    return picture(400, bottom + 44, title, *levels, *below, caption, *lines)


def _curve_line(points: Sequence[CurvePoint], series: int, x: Scale, y: Scale) -> Markup:
    """A grader's line, its markers, intervals and values."""
    points = sorted(points, key=lambda p: p.pairs)
    path = " ".join(f"{x(p.pairs):.2f},{y(p.value):.2f}" for p in points)
    drawn = [element("polyline", points=path, class_=f"line s{series % 8}")]
    for p in points:
        if p.low is not None and p.high is not None:
            at = x(p.pairs)
            drawn.append(element("line", x1=at, x2=at, y1=y(p.low), y2=y(p.high), class_=f"whisker s{series % 8}"))
        drawn.append(marker(series, x(p.pairs), y(p.value)))
    return Markup("").join(drawn)


def _spread_out(values: list[int], x: Scale, apart: float = 52) -> list[int]:
    """Those values whose labels do not touch; the last one always stays."""
    kept: list[int] = []
    for value in reversed(values):
        if not kept or x(kept[-1]) - x(value) >= apart:
            kept.append(value)
    return kept


def reliability(name: str, series: int, bins: Sequence[ReliabilityBin]) -> Markup:
    """Accuracy against stated confidence; on the dashed diagonal a grader is as right as it says."""
    x, y = linear(0, 1, 34, 194), linear(0, 1, 168, 8)
    frame = [_level(v, y(v), 34, 194, "{:.0%}") for v in (0, 0.5, 1)]
    below = [element("text", f"{v:.0%}", x=x(v), y=185, text_anchor="middle") for v in (0.0, 0.5, 1.0)]
    diagonal = element("line", x1=x(0), y1=y(0), x2=x(1), y2=y(1), class_="diagonal")
    path = " ".join(f"{x(b.confidence):.2f},{y(b.accuracy):.2f}" for b in bins)
    line = element("polyline", points=path, class_=f"line s{series % 8}")
    marks = [marker(series, x(b.confidence), y(b.accuracy), 3.6) for b in bins]
    caption = element("text", "stated confidence", x=194, y=202, text_anchor="end")
    return picture(206, 207, f"Reliability of {name}", *frame, *below, diagonal, line, *marks, caption)


def key(series: int) -> Markup:
    """A small marker for running text and table heads."""
    shape = marker(series, 8, 8, 5)
    return element("svg", shape, viewBox="0 0 16 16", class_="key", aria_hidden="true")


def _span(estimates: Sequence[Estimate]) -> list[float]:
    """Round ticks over all values and intervals."""
    values = [v for e in estimates for v in (e.value, e.low, e.high) if v is not None]
    return ticks(min(values), max(values))


def _grid(x: Scale, marks: Sequence[float], top: float, bottom: float) -> Markup:
    """Vertical lines at ticks, their numbers below."""
    lines = [element("line", x1=x(v), x2=x(v), y1=top, y2=bottom, class_="grid") for v in marks]
    numbers = [element("text", f"{v:.6g}", x=x(v), y=bottom + 18, text_anchor="middle") for v in marks]
    return Markup("").join([*lines, *numbers])


def _level(value: float, y: float, left: float, right: float, form: str = "{:.6g}") -> Markup:
    """A horizontal line at a tick, its number to the left."""
    number = element("text", form.format(value), x=left - 6, y=y + 4, text_anchor="end")
    return element("line", x1=left, x2=right, y1=y, y2=y, class_="grid") + number


def _spoken(points: Sequence[Point]) -> str:
    return ", ".join(f"{p.name} {p.estimate.value:.3f}" for p in points)
