"""Every grader on the same held-out labels: all metrics, segments, the human ceiling, and the worst mistakes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from rich.markup import escape
from rich.table import Table

from limbeck import settings
from limbeck.errors import InputError
from limbeck.measure.ceiling import ceiling
from limbeck.measure.compare import Comparer, correct
from limbeck.measure.evaluation import Estimate, Evaluation, GraderResult, Lead, ReliabilityBin, Segment
from limbeck.measure.intervals import FLIPS
from limbeck.measure.metrics import Floats
from limbeck.measure.sample import Sample, canonical_order, expected, from_truth, ordered_grades
from limbeck.measure.scores import METRICS, SEGMENT_METRICS, Scores

DIMENSIONS = ("language", "country", "frequency")
FREQUENCIES = ("head", "torso", "tail", "unseen")
SUMMARY = ("ndcg@20", "accuracy", "spearman", "log_loss")
MOST_SEGMENTS = 12  # per dimension, the largest ones


def evaluate(grades: Mapping[str, np.ndarray], truth: pa.Table, measure: settings.Measure, seed: int) -> Evaluation:
    """Measure graders, (n, 5) probabilities each, on aggregated judgments in the same order of rows."""
    if measure.baseline not in grades:
        raise InputError(f"measure.baseline is {measure.baseline!r}", remedy=f"The graders are {', '.join(grades)}")
    if measure.headline not in METRICS:
        raise InputError(f"measure.headline is {measure.headline!r}", remedy=f"The metrics are {', '.join(METRICS)}")
    order = canonical_order(truth)
    truth, ordered = truth.take(pa.array(order)), ordered_grades(grades, order)
    sample = from_truth(truth)
    comparer = Comparer(sample, ordered)
    comparer.resample(measure.bootstrap, seed)
    first = next(iter(comparer.scores.values()))
    return Evaluation(
        pairs=len(sample),
        queries=sample.queries,
        ranked_queries=int(first.columns["ranked"].sum()),
        levels=np.bincount(sample.level, minlength=6)[1:].tolist(),
        baseline=measure.baseline,
        headline=measure.headline,
        confidence=measure.confidence,
        bootstrap=measure.bootstrap,
        flips=FLIPS,
        seed=seed,
        graders=_results(comparer, measure, seed),
        lead=_lead(comparer, measure.headline, measure.confidence, seed),
        segments=_segments(sample, ordered, truth, measure, seed),
        ceiling=ceiling(sample, ordered, measure.bootstrap, measure.confidence, seed),
    )


def _results(comparer: Comparer, measure: settings.Measure, seed: int) -> list[GraderResult]:
    """One result per grader, p-values corrected over all graders and metrics."""
    others = [g for g in comparer.scores if g != measure.baseline]
    differences = comparer.compare([(g, measure.baseline) for g in others], tuple(METRICS), measure.confidence, seed)
    against = correct(dict(zip(others, differences)))
    return [
        GraderResult(
            name=g,
            metrics=comparer.estimates(g, measure.confidence),
            against_baseline=against.get(g, {}),
            confusion=scores.columns["confusion"].sum(0).astype(int).reshape(5, 5).tolist(),
            reliability=_reliability(scores),
        )
        for g, scores in comparer.scores.items()
    ]


def _reliability(scores: Scores) -> list[ReliabilityBin]:
    """Accuracy by confidence; bins that tied confidences left empty are gone."""
    hits, confidence, pairs = (scores.columns[f"bin_{c}"].sum(0) for c in ("hits", "confidence", "pairs"))
    return [ReliabilityBin(float(c / n), float(h / n), int(n)) for h, c, n in zip(hits, confidence, pairs) if n]


def _lead(comparer: Comparer, headline: str, confidence: float, seed: int) -> Lead:
    """Who is first by the headline metric, and how surely before the second. Ties go to the one named first."""
    values = {g: np.nan_to_num(v[headline], nan=-np.inf) for g, v in comparer.values.items()}
    ranking = sorted(values, key=lambda g: -values[g])
    if len(ranking) == 1:
        return Lead(ranking[0])
    (lead,) = comparer.compare([(ranking[0], ranking[1])], (headline,), confidence, seed)
    return Lead(ranking[0], ranking[1], lead[headline])


def _segments(
    sample: Sample, grades: Mapping[str, Floats], truth: pa.Table, measure: settings.Measure, seed: int
) -> list[Segment]:
    """The largest parts by language, country and query frequency; a dimension without two parts is left out."""
    found = []
    for dimension in (d for d in DIMENSIONS if d in truth.column_names):
        labels = np.asarray([v or "unknown" for v in truth.column(dimension).to_pylist()])
        names, pairs = np.unique(labels, return_counts=True)
        largest = names[np.argsort(-pairs, kind="stable")][:MOST_SEGMENTS].tolist()
        ranked = sorted(largest, key=FREQUENCIES.index) if set(largest) <= set(FREQUENCIES) else largest
        for name in ranked if len(names) > 1 else []:
            found.append(_segment(sample, grades, labels == name, (dimension, name), measure, seed))
    return found


def _segment(
    sample: Sample,
    grades: Mapping[str, Floats],
    keep: np.ndarray,
    where: tuple[str, str],
    measure: settings.Measure,
    seed: int,
) -> Segment:
    part = sample.restrict(keep)
    comparer = Comparer(part, {g: d[keep] for g, d in grades.items()}, SEGMENT_METRICS)
    comparer.resample(measure.bootstrap, seed)
    estimates = {g: comparer.estimates(g, measure.confidence) for g in grades}
    return Segment(*where, pairs=len(part), queries=part.queries, metrics=estimates)


@dataclass(frozen=True)
class Mistake:
    """A pair that a grader got wrong. `severity` is how many levels off, times how confident."""

    query: str
    pin_id: str
    level: int
    expected: float
    distribution: tuple[float, ...]
    raters: int
    severity: float


def worst(grades: Mapping[str, np.ndarray], truth: pa.Table, grader: str, k: int) -> list[Mistake]:
    """A grader's k worst mistakes: |expected − true level| × highest probability, largest first."""
    order = canonical_order(truth)
    truth, distribution = truth.take(pa.array(order)), ordered_grades({grader: grades[grader]}, order)[grader]
    sample, score = from_truth(truth), expected(distribution)
    severity = np.abs(score - sample.level) * distribution.max(axis=1)
    chosen = np.argsort(-severity, kind="stable")[:k]
    rows = truth.take(pa.array(chosen)).select(["query", "pin_id", "raters"]).to_pylist()
    return [
        Mistake(
            query=row["query"],
            pin_id=row["pin_id"],
            level=int(sample.level[i]),
            expected=float(score[i]),
            distribution=tuple(map(float, distribution[i])),
            raters=row["raters"],
            severity=float(severity[i]),
        )
        for i, row in zip(chosen, rows)
    ]


def summary_table(evaluation: Evaluation) -> Table:
    """The main metrics of every grader for the terminal, best by the headline metric first."""
    percent = f"{evaluation.confidence:.0%}"
    note = f"{evaluation.pairs:,} pairs, {evaluation.queries:,} queries; {percent} intervals by bootstrap over queries"
    table = Table(title="Graders on held-out labels", caption=note, title_justify="left", caption_justify="left")
    table.add_column("grader", style="bold")
    for metric in SUMMARY:
        table.add_column(METRICS[metric].label, justify="right")
    for result in sorted(evaluation.graders, key=lambda g: -(g.metrics[evaluation.headline].value or 0)):
        baseline = " (baseline)" if result.name == evaluation.baseline else ""
        table.add_row(escape(result.name) + baseline, *(_cell(result.metrics[m]) for m in SUMMARY))
    return table


def _cell(estimate: Estimate) -> str:
    if estimate.value is None:
        return "–"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [dim]±{(estimate.high - estimate.low) / 2:.3f}[/dim]"
