"""What an evaluation says, in words: the verdict, numbers and p-values as people write them."""

from dataclasses import replace

from limbeck.measure.evaluation import Comparison, Estimate, Evaluation
from limbeck.measure.scores import METRICS


def verdict(evaluation: Evaluation) -> list[str]:
    """A headline and one or two sentences: which grader wins, by how much against the baseline, and how sure."""
    lead, label = evaluation.lead, METRICS[evaluation.headline].label
    best = evaluation.grader(lead.leader).metrics[evaluation.headline]
    if best.value is None:
        return [f"These labels cannot tell the graders apart: {label} is not defined on them."]
    if lead.lead is None or lead.runner_up is None:
        return [
            f"{_first(lead.leader)} stands alone.",
            f"It reaches {label} {best.value:.3f}, with nothing to compare.",
        ]
    if lead.leader == evaluation.baseline:
        return [f"No grader beats {lead.leader}.", f"It has the highest {label}, {best.value:.3f}.", _next(evaluation)]
    # The headline metric is chosen in the recipe, before anything is measured: its p-value needs no correction.
    against = replace(evaluation.grader(lead.leader).against_baseline[evaluation.headline], p_holm=None)
    gain = f"Its {label} of {best.value:.3f} is {_size(against.difference)} above {evaluation.baseline}"
    if not sure(against, evaluation.confidence):
        return [
            f"{_first(lead.leader)} comes first, but not surely.",
            f"{gain}{_how_sure(against, evaluation)}: it could be chance.",
        ]
    rest = [] if lead.runner_up == evaluation.baseline else [_next(evaluation)]
    how = "wins" if sure(lead.lead, evaluation.confidence) else "leads"
    return [f"{_first(lead.leader)} {how}.", f"{gain}{_how_sure(against, evaluation)}.", *rest]


def _next(evaluation: Evaluation) -> str:
    """The lead over the second."""
    lead = evaluation.lead.lead
    if lead is None or lead.difference.value is None:
        return ""
    chance = "" if sure(lead, evaluation.confidence) else ", which could be chance"
    second = _first(evaluation.lead.runner_up or "")
    return f"{second} follows {_size(lead.difference)} behind ({p_value(lead.p)}){chance}."


def _first(name: str) -> str:
    """A name at the beginning of a sentence."""
    return name[:1].upper() + name[1:]


def sure(comparison: Comparison, confidence: float) -> bool:
    """Whether a difference is unlikely to be chance: its (corrected) p-value is below 1 − confidence."""
    p = comparison.p if comparison.p_holm is None else comparison.p_holm
    return p is not None and p < 1 - confidence


def _how_sure(comparison: Comparison, evaluation: Evaluation) -> str:
    low, high = comparison.difference.low, comparison.difference.high
    if low is None or high is None:
        return ""
    p = p_value(comparison.p if comparison.p_holm is None else comparison.p_holm)
    return f" ({evaluation.confidence:.0%} interval {signed(low)} to {signed(high)}; {p})"


def _size(difference: Estimate) -> str:
    return f"{abs(difference.value or 0.0):.3f}"


def p_value(p: float | None) -> str:
    """A p-value as people write it."""
    if p is None:
        return "p unknown"
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def decimals(value: float | None) -> str:
    """A metric with three decimals (a true minus), a dash where it is unknown."""
    return "–" if value is None else f"{value:.3f}".replace("-", "−")


def signed(value: float | None) -> str:
    """A difference with its sign (a true minus)."""
    return "–" if value is None else f"{value:+.3f}".replace("-", "−")


def seconds(value: float) -> str:
    """A duration: 0.4 s, 12 s, 3 min 05 s, 2 h 10 min."""
    if value < 60:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
