"""The few things every plot is made of: escaped SVG elements, scales with round ticks, and one marker per series.

Series differ by the shape of their marker as well as by colour, so that plots can be read in grey.
"""

import math
from collections.abc import Callable

from markupsafe import Markup, escape

SERIES = 8  # colours and shapes; a ninth grader begins again

Scale = Callable[[float], float]


def element(tag: str, *children: object, **attributes: object) -> Markup:
    """One element; children and attribute values are escaped, `class_` is class and `text_anchor` text-anchor."""
    named = ((k.rstrip("_").replace("_", "-"), v) for k, v in attributes.items() if v is not None)
    written = Markup("").join(Markup(' {}="{}"').format(Markup(k), _short(v)) for k, v in named)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), written, Markup("").join(map(escape, children)))


def _short(value: object) -> object:
    """Coordinates with two decimals are finer than any screen."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def picture(width: float, height: float, title: str, *children: object) -> Markup:
    """A whole SVG with a name for screen readers."""
    label = element("title", title)
    return element("svg", label, *children, viewBox=f"0 0 {width:g} {height:g}", role="img", class_="plot")


def linear(low: float, high: float, begin: float, end: float) -> Scale:
    """A map of [low, high] onto [begin, end]."""
    return lambda value: begin + (value - low) / (high - low) * (end - begin)


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers that span [low, high], the first not above low, the last not below high."""
    rough = max(high - low, 1e-9) / about
    power = 10 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, max(last, first + 1) + 1)]


def marker(series: int, x: float, y: float, size: float = 5) -> Markup:
    """The shape of a series, centred on a point."""
    corners = _SHAPES[series % SERIES]
    if corners is None:
        return element("circle", class_=f"mark s{series % SERIES}", cx=x, cy=y, r=size)
    points = " ".join(f"{x + size * dx:.2f},{y + size * dy:.2f}" for dx, dy in corners)
    return element("polygon", class_=f"mark s{series % SERIES}", points=points)


def _turned(sides: int, turn: float, size: float) -> list[tuple[float, float]]:
    angles = (2 * math.pi * i / sides + turn for i in range(sides))
    return [(size * math.sin(a), -size * math.cos(a)) for a in angles]


def _cross(turn: float) -> list[tuple[float, float]]:
    """A plus sign, turned."""
    arm, half = 1.15, 0.36
    quarter = [(half, -half), (half, -arm), (-half, -arm), (-half, -half)]
    corners: list[tuple[float, float]] = []
    for i in range(4):
        a = -i * math.pi / 2 + turn
        corners += [(x * math.cos(a) - y * math.sin(a), x * math.sin(a) + y * math.cos(a)) for x, y in quarter]
    return corners


_SHAPES: tuple[list[tuple[float, float]] | None, ...] = (
    None,
    _turned(4, math.pi / 4, 1.25),  # square
    _turned(4, 0, 1.35),  # diamond
    _turned(3, 0, 1.4),  # triangle
    _turned(3, math.pi, 1.4),  # triangle, point down
    _cross(0),
    _cross(math.pi / 4),
    _turned(6, 0, 1.15),
)
