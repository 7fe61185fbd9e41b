"""The page of the paper's tables, measured here beside the paper's own figures: as HTML, and as Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from limbeck.measure import plots, report, standalone, wording
from limbeck.measure.evaluation import Estimate
from limbeck.measure.plots import CurvePoint, Point
from limbeck.measure.reproduction import SHOWN, Row, Table, findings
from limbeck.measure.scores import METRICS

BLANK = "not found"
CURVES = {"human labels alone": 1, "teacher labels": 2}  # markers


@dataclass(frozen=True)
class About:
    """What was run: the recipe's name, its sizes in words, how many resamples intervals are of, and what is missing."""

    name: str
    size: str
    bootstrap: int
    missing: tuple[str, ...] = ()  # titles of tables that were not measured on this run

    @property
    def lacking(self) -> str:
        """What is missing, in words."""
        return f"Not measured on this run: {', '.join(self.missing).lower()}." if self.missing else ""


def html(tables: Sequence[Table], about: About) -> str:
    """The page as HTML text: complete in itself, in the report's style."""
    environment = report.environment()
    style = Markup(environment.get_template("report.css").render())
    page = _Page()
    return environment.get_template("reproduction.html").render(
        tables=tables, about=about, page=page, style=style, blank=BLANK
    )


class _Page:
    """What the template asks for."""

    metrics = METRICS
    findings = staticmethod(findings)

    def shown(self, table: Table) -> list[str]:
        """The metrics of a table's columns, the headline first."""
        return list(dict.fromkeys([table.headline, *SHOWN]))

    def legend(self, table: Table) -> list[tuple[Markup, str]]:
        """Markers and names of what a table's plot tells apart; none where every row is named."""
        return [(plots.key(number), name) for name, number in _told_apart(table).items()]

    def plot(self, table: Table) -> Markup:
        """The table's plot."""
        return _plot(table)

    def sure(self, table: Table, row: Row) -> bool:
        """Whether a row's difference is unlikely to be chance."""
        return wording.sure(row.differences[table.headline], table.confidence)


def _plot(table: Table) -> Markup:
    """Values with intervals by the headline metric: a curve over amounts, groups of graders, or plain rows."""
    title, series = f"{METRICS[table.headline].label}, {table.title.lower()}", _series(table)
    if _is_curve(table):
        points = list(_curve(table))
        return plots.curve(title, points, CURVES) if points else Markup("")
    groups = [(name, [_point(table, row, series) for row in rows]) for name, rows in _groups(table)]
    if all(len(points) == 1 for _, points in groups):
        return plots.dots(title, [Point(name, 0, point.estimate) for name, (point,) in groups])
    return plots.grouped_dots(title, groups)


def _told_apart(table: Table) -> dict[str, int]:
    """The series of a table's plot by their markers; none where every row is named."""
    if _is_curve(table):
        return CURVES
    return _series(table) if any(len(rows) > 1 for _, rows in _groups(table)) else {}


def _is_curve(table: Table) -> bool:
    return bool(table.rows) and all(row.labelled for row in table.rows)


def _series(table: Table) -> dict[str, int]:
    return {name: i for i, name in enumerate(dict.fromkeys(row.grader for row in table.rows))}


def _groups(table: Table) -> list[tuple[str, list[Row]]]:
    """The rows by name, in order."""
    names = list(dict.fromkeys(row.name for row in table.rows))
    return [(name, [row for row in table.rows if row.name == name]) for name in names]


def _point(table: Table, row: Row, series: dict[str, int]) -> Point:
    return Point(row.grader, series[row.grader], row.metrics[table.headline])


def _curve(table: Table) -> Iterator[CurvePoint]:
    for row in table.rows:
        reached = row.metrics[table.headline]
        if reached.value is not None:
            grader = "teacher labels" if row.against else "human labels alone"
            yield CurvePoint(row.labelled, grader, reached.value, reached.low, reached.high)


# -- Markdown --


def markdown(tables: Sequence[Table], about: About, pictures: Mapping[int, str] | None = None) -> str:
    """The same tables as text; `pictures`: by the tables' numbers, where the files of their plots are."""
    parts = [_HEAD.format(about=about, measured=_measured(tables)), *([about.lacking] if about.missing else [])]
    parts += ["\n".join(_section(table, (pictures or {}).get(table.number))) for table in tables]
    return "\n".join(parts) + "\n"


def drawn(tables: Sequence[Table]) -> dict[int, str]:
    """The plots of those tables that have one, as the texts of SVG files, by the tables' numbers."""
    found = {table.number: (_plot(table), list(_told_apart(table).items())) for table in tables}
    return {number: standalone.file(plot, legend) for number, (plot, legend) in found.items() if plot}


_HEAD = """\
# The paper's tables, measured here

`limbeck reproduce` wrote this page: every figure of Limbeck is measured by it, on {about.size}.{measured}
Brackets are intervals by {about.bootstrap:,} bootstrap resamples of whole queries. Differences are paired: all variants
answer the same held-out pairs, and see the same resamples. p-values are two-sided and corrected for all the
comparisons of a table (Holm).

The paper is arXiv 2410.17152. Of its figures, those stand here that were found quoted, each with where; the others are
left blank. Its data, its raters and its models are not these: what can be compared is which way a difference goes, not
how high a figure is.
"""


def _measured(tables: Sequence[Table]) -> str:
    if not tables:
        return ""
    return f" Measured on {tables[0].pairs:,} held-out pairs of {tables[0].queries:,} queries."


def _section(table: Table, picture: str | None) -> Iterator[str]:
    yield f"\n## {table.number}. {table.title}\n"
    yield f"{table.question} **In the paper:** {table.claim}\n"
    if picture is not None:
        yield f"![{METRICS[table.headline].label}, {table.title.lower()}]({picture})\n"
    if table.rows:
        yield from _lines(table)
        yield ""
    yield from (f"- {sentence}" for sentence in (*findings(table), *table.remarks))
    yield "\n| the paper's own figures | | found in |\n|---|---|---|"
    yield from (f"| {q.what} | {q.figure or BLANK} | {q.source} |" for q in table.paper)


def _lines(table: Table) -> Iterator[str]:
    metrics = list(dict.fromkeys([table.headline, *SHOWN]))
    yield (
        "| | grader | " + " | ".join(METRICS[m].label for m in metrics) + f" | {METRICS[table.headline].label}, gain |"
    )
    yield "|---|---|" + "---|" * (len(metrics) + 1)
    for row in table.rows:
        name = f"{row.name} ({row.note})" if row.note else row.name
        cells = [
            _cell(row.metrics[m]) if m in (table.headline, "accuracy") else wording.decimals(row.metrics[m].value)
            for m in metrics
        ]
        yield f"| {name} | {row.grader} | {' | '.join(cells)} | {_gain(table, row)} |"


def _gain(table: Table, row: Row) -> str:
    if table.headline not in row.differences:
        return ""
    compared = row.differences[table.headline]
    return f"{wording.signed(compared.difference.value)} over {row.against}, {wording.p_value(compared.p_holm)}"


def _cell(estimate: Estimate) -> str:
    low, high = wording.decimals(estimate.low), wording.decimals(estimate.high)
    return f"{wording.decimals(estimate.value)} [{low}–{high}]"
