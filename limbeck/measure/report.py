"""The report: one self-contained HTML page. It fetches nothing, runs no script, and escapes whatever Pins say."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from limbeck import templates
from limbeck.measure import plots, wording
from limbeck.measure.attacks import FlipRate
from limbeck.measure.evaluate import Mistake
from limbeck.measure.evaluation import Evaluation, GraderResult
from limbeck.measure.pictures import data_uri
from limbeck.measure.plots import CurvePoint, Point
from limbeck.measure.scores import BINS, METRICS, SEGMENT_METRICS
from limbeck.relevance import LEVEL_NAMES

AT_A_GLANCE = ("ndcg@20", "accuracy", "spearman")
CEILING = ("accuracy", "off_by_one", "kappa")


@dataclass(frozen=True)
class Example:
    """A mistake with what the Pin says, source by source, and a local picture if there is one."""

    mistake: Mistake
    texts: Mapping[str, str | None]
    image: Path | None = None


@dataclass(frozen=True)
class Contents:
    """All that a report shows. What is left out is left out of the page."""

    title: str
    evaluation: Evaluation
    curve: tuple[CurvePoint, ...] = ()
    curve_metric: str = "spearman"
    flip_rates: tuple[FlipRate, ...] = ()
    examples_of: str | None = None  # the grader whose mistakes the examples are
    examples: tuple[Example, ...] = ()
    problems: tuple[str, ...] | None = None  # None: not looked for
    settings: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)  # by grader: what it is, in a line
    seconds: Mapping[str, float] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)  # other pages that lie beside this one: title, file


def environment() -> Environment:
    """Templates, and the words that pages use for numbers."""
    made = templates.environment(Path(__file__).parent / "templates")
    made.filters |= {
        "decimals": wording.decimals,
        "signed": wording.signed,
        "p_value": wording.p_value,
        "seconds": wording.seconds,
        "data_uri": data_uri,
    }
    return made


def render(contents: Contents) -> str:
    """The page as HTML text."""
    templates, page = environment(), _Page(contents)
    style = Markup(templates.get_template("report.css").render())
    return templates.get_template("report.html").render(
        page=page, contents=contents, e=contents.evaluation, style=style
    )


class _Page:
    """What the template asks for: the graders in order, and the plots."""

    metrics = METRICS
    level_names = LEVEL_NAMES
    at_a_glance = AT_A_GLANCE
    ceiling_metrics = CEILING
    segment_metrics = SEGMENT_METRICS
    bins = BINS

    def __init__(self, contents: Contents) -> None:
        self._contents, self._evaluation = contents, contents.evaluation
        headline = self._evaluation.headline
        self.graders = sorted(self._evaluation.graders, key=lambda g: -(g.metrics[headline].value or 0.0))
        others = [g.name for g in self._evaluation.graders if g.name != self._evaluation.baseline]
        drawn = dict.fromkeys([self._evaluation.baseline, *others, *(p.grader for p in contents.curve)])
        self.series = {name: i for i, name in enumerate(drawn)}  # each line has a shape of its own

    @property
    def verdict(self) -> list[str]:
        """The sentences on top."""
        return wording.verdict(self._evaluation)

    def key(self, grader: str) -> Markup:
        """The marker of a grader."""
        return plots.key(self.series.get(grader, 0))

    def series_order(self) -> list[str]:
        """Graders' names, best first."""
        return [g.name for g in self.graders]

    def best(self, metric: str) -> str | None:
        """The grader that is best by a metric."""
        values = {g.name: g.metrics[metric].value for g in self.graders}
        known = {name: v for name, v in values.items() if v is not None}
        choose = max if METRICS[metric].higher_is_better else min
        return choose(known, key=lambda name: known[name]) if known else None

    def sure(self, grader: GraderResult, metric: str) -> bool:
        """Whether a grader's difference from the baseline is unlikely to be chance."""
        return wording.sure(grader.against_baseline[metric], self._evaluation.confidence)

    def dots(self, metric: str) -> Markup:
        """All graders by one metric."""
        points = [Point(g.name, self.series[g.name], g.metrics[metric]) for g in self.graders]
        return plots.dots(METRICS[metric].label, points)

    def curve(self) -> Markup:
        """The learning curve."""
        title = f"{METRICS[self._contents.curve_metric].label} by number of labelled pairs"
        return plots.curve(title, self._contents.curve, self.series)

    def curve_graders(self) -> list[str]:
        """The graders on the learning curve, best known first."""
        names = [g.name for g in self.graders] + [p.grader for p in self._contents.curve]
        drawn = {p.grader for p in self._contents.curve}
        return [n for n in dict.fromkeys(names) if n in drawn]

    def reliability(self, grader: GraderResult) -> Markup:
        """A grader's reliability plot."""
        return plots.reliability(grader.name, self.series[grader.name], grader.reliability)

    def dimensions(self) -> list[str]:
        """The dimensions that have segments."""
        return list(dict.fromkeys(s.dimension for s in self._evaluation.segments))

    def segments(self, dimension: str, metric: str) -> Markup:
        """All graders in all segments of a dimension by one metric."""
        groups = [
            (
                f"{s.name} · {s.pairs:,} pairs, {s.queries:,} {'query' if s.queries == 1 else 'queries'}",
                [Point(g.name, self.series[g.name], s.metrics[g.name][metric]) for g in self.graders],
            )
            for s in self._evaluation.segments
            if s.dimension == dimension
        ]
        return plots.grouped_dots(f"{METRICS[metric].label} by {dimension}", groups)

    def attack_kinds(self) -> list[str]:
        """The kinds of attacks, in order."""
        return list(dict.fromkeys(f.kind for f in self._contents.flip_rates))

    def flip_rate(self, grader: str, kind: str) -> FlipRate | None:
        """How often one kind of attack deceives a grader."""
        return {(f.grader, f.kind): f for f in self._contents.flip_rates}.get((grader, kind))

    def settings(self) -> Iterator[tuple[str, Iterator[tuple[str, object]]]]:
        """Settings by section, each a list of dotted keys and values."""
        plain = {k: v for k, v in self._contents.settings.items() if not isinstance(v, Mapping)}
        if plain:
            yield "run", _flat(plain)
        for section, values in self._contents.settings.items():
            if isinstance(values, Mapping) and values:
                yield section, _flat(values)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Dotted keys and values as a recipe would say them; what is not set is left out."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, bool):
            yield prefix + key, str(value).lower()
        elif value is not None:
            said = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
            yield prefix + key, "–" if said == "" else said
