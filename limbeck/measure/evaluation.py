"""What an evaluation found, as plain records that go to JSON and back. None stands for what cannot be known."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A number and its confidence interval."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Comparison:
    """A grader's value less another's, the interval of the difference, p-value, and p-value after Holm's correction."""

    difference: Estimate
    p: float | None
    p_holm: float | None = None


@dataclass(frozen=True)
class ReliabilityBin:
    """Pairs of like confidence: mean confidence, accuracy and number."""

    confidence: float
    accuracy: float
    pairs: int


@dataclass(frozen=True)
class GraderResult:
    """All that was measured of one grader. `confusion[true − 1][predicted − 1]` counts pairs."""

    name: str
    metrics: dict[str, Estimate]
    against_baseline: dict[str, Comparison]
    confusion: list[list[int]]
    reliability: list[ReliabilityBin]


@dataclass(frozen=True)
class Segment:
    """A part of the pairs: say, those of `dimension` "language" and `name` "de"; `metrics[grader][metric]`."""

    dimension: str
    name: str
    pairs: int
    queries: int
    metrics: dict[str, dict[str, Estimate]]


@dataclass(frozen=True)
class Ceiling:
    """What one more rater would score against the others, and graders on the same pairs against the same targets."""

    pairs: int
    queries: int
    raters_per_pair: float
    alpha: Estimate
    rater: dict[str, Estimate]
    graders: dict[str, dict[str, Estimate]]


@dataclass(frozen=True)
class Lead:
    """The best grader by the headline metric, the next one, and the first one's lead."""

    leader: str
    runner_up: str | None = None
    lead: Comparison | None = None


@dataclass(frozen=True)
class Evaluation:
    """Every grader side by side on the same held-out pairs. `levels[i]` counts pairs of level i + 1."""

    pairs: int
    queries: int
    ranked_queries: int
    levels: list[int]
    baseline: str
    headline: str
    confidence: float
    bootstrap: int
    flips: int
    seed: int
    graders: list[GraderResult]
    lead: Lead
    segments: list[Segment]
    ceiling: Ceiling | None = None

    def grader(self, name: str) -> GraderResult:
        """The result of the grader of this name; `KeyError` where there is none."""
        return {g.name: g for g in self.graders}[name]
