"""A plot as a file of its own, for pages that cannot hold it: its style and its legend are in it."""

import re
from collections.abc import Sequence

from markupsafe import Markup

from limbeck.measure import report
from limbeck.measure.svg import element, marker

LINE, MARGIN = 20, 12  # from one name of the legend to the next; around all of it, as numbers stand over the edges
_SIZE = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')


def file(plot: Markup, legend: Sequence[tuple[str, int]] = ()) -> str:
    """The plot as the text of an SVG file; below it `legend`, the names of its series."""
    found = _SIZE.search(plot)
    assert found is not None  # as `svg.picture` writes them
    width, height = map(float, found.groups())
    whole = height + LINE * len(legend) + 8
    style = "".join(report.environment().get_template(name).render() for name in ("colours.css", "plots.css"))
    within = Markup(str(plot).replace("<svg ", f'<svg width="{width:g}" height="{height:g}" ', 1))
    names = [_named(name, series, height + LINE * place + 12) for place, (name, series) in enumerate(legend)]
    box = f"{-MARGIN} {-MARGIN} {width + 2 * MARGIN:g} {whole + 2 * MARGIN:g}"
    drawn = element("svg", element("style", Markup(style)), within, *names, viewBox=box, class_="plot")
    size = f'xmlns="http://www.w3.org/2000/svg" width="{2 * width:g}" '
    return str(drawn).replace("<svg ", f"<svg {size}", 1)


def _named(name: str, series: int, y: float) -> Markup:
    return marker(series, 14, y) + element("text", name, x=28, y=y + 4, class_="name")
