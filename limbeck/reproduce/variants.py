"""Variants of a run: recipes that differ in one thing, and what of them is wanted."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

from limbeck.settings import KINDS, SOURCES, Recipe, Signals


@dataclass(frozen=True)
class Variant:
    """A recipe to be run up to a stage, and the graders whose answers to the held-out pairs are wanted."""

    name: str  # of its workspace, under `reproduction/`
    label: str  # for people
    recipe: Recipe
    until: str
    graders: tuple[str, ...]
    costs: Mapping[str, float]  # about how often the main run's time for a stage it takes
    then: "Callable[[float], Variant] | None" = None  # what it becomes once labels per human label are known


def teachers(recipe: Recipe, backbones: Mapping[str, str]) -> list[Variant]:
    """The teacher on other backbones, called by their labels."""
    found = []
    for label, backbone in backbones.items():
        changed = _plain(recipe, teacher=replace(recipe.teacher, backbone=backbone))
        found.append(Variant(f"teacher-{_slug(label)}", label, changed, "teach", ("teacher",), {"teach": 1}))
    return found


def sources(recipe: Recipe, said: Collection[str] = SOURCES) -> list[Variant]:
    """The text of Pins with the first source, the first two, and so on, of those by which anything is `said`.

    Match features are of the same sources, one by one: with all fields taken as one, a student would know the others.
    """
    found, all_told = [], tuple(source for source in recipe.text.sources if source in said)
    for number in range(1, len(all_told) + 1):
        told = all_told[:number]
        unknown = ("all", *(source for source in SOURCES if source not in told))
        without = tuple(dict.fromkeys((*recipe.signals.without, *unknown)))
        texts, signals = replace(recipe.text, sources=told), replace(recipe.signals, without=without)
        costs = {"teach": 1, "label": 1, "distill": 1} if told != all_told else {"distill": 0.5}
        changed = _plain(recipe, text=texts, signals=signals)
        found.append(Variant(f"text-{number}-{told[-1]}", told[-1], changed, "distill", ("teacher", "student"), costs))
    return found


def amounts(recipe: Recipe, offered: float | None = None) -> Variant:
    """As many teacher labels as asked for. `offered`: how many there are per human label, once that is known.

    Then further students learn from the shares of them that are the smaller amounts.
    """
    most = max(recipe.reproduce.amounts)
    more = most / recipe.labels.per_human_label
    changed = _plain(recipe, labels=replace(recipe.labels, per_human_label=most))
    if offered is None:
        costs = {"label": max(more - 1, 0), "distill": more}
        known = partial(amounts, recipe)
        return Variant("labels", f"{most} labels per human label", changed, "label", (), costs, known)
    fewer = sorted(set(recipe.reproduce.amounts))[:-1]  # the largest one is what all of them together are
    shares = tuple(amount / offered for amount in fewer if amount < offered)
    changed = replace(changed, measure=replace(changed.measure, learning_curve=shares))
    names = ("student-human", *(f"student-{round(100 * share)}" for share in shares), "student")
    return Variant("labels", f"{most} labels per human label", changed, "distill", names, {})


def signals(recipe: Recipe) -> list[Variant]:
    """Without one signal each: every switch of `Signals` that is on, and every kind of match features."""
    on = [f.name for f in fields(Signals) if getattr(recipe.signals, f.name) is True]
    without: dict[str, dict[str, Any]] = {_words(name): {name: False} for name in on}
    for kind in (k for k in KINDS if k not in recipe.signals.without):
        without[f"match features: {_words(kind)}"] = {"without": (*recipe.signals.without, kind)}
    return list(_left_out(recipe, without))


def _left_out(recipe: Recipe, without: Mapping[str, Mapping[str, Any]]) -> Iterator[Variant]:
    for label, change in without.items():
        changed = _plain(recipe, signals=replace(recipe.signals, **change))
        yield Variant(f"without-{_slug(label)}", label, changed, "distill", ("student",), {"distill": 0.5})


def _plain(recipe: Recipe, **changes: Any) -> Recipe:
    """The recipe with something changed, and without what is measured of the main run alone."""
    return replace(recipe, judge=None, measure=replace(recipe.measure, learning_curve=()), **changes)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _slug(label: str) -> str:
    return re.sub(r"[^\w.]+", "-", label)
