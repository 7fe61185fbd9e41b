"""Reads all input of a recipe, writing nothing: the first mistake is an `InputError`, the rest is counted."""

import math
from dataclasses import dataclass

import pyarrow as pa

from limbeck.progress import track
from limbeck.relevance import Split
from limbeck.settings import Recipe, World
from limbeck.sources import files, mapped
from limbeck.sources.findings import Estimate, Findings, render, to_json
from limbeck.sources.tally import Tally

__all__ = ["Rates", "check", "render", "to_json"]


_LABELS = ("judgments", "heldout")
_NONE = pa.table({"query": pa.array([], pa.string())})


@dataclass(frozen=True)
class Rates:
    """Work per second. The defaults are those of a six-layer backbone on two cores, texts of about 80 tokens."""

    trained_pairs: float = 40
    graded_pairs: float = 300
    embedded_pins: float = 300


def check(recipe: Recipe, rates: Rates | None = None) -> Findings:
    """What is in the files of a recipe, or what its world would have; `InputError` names what is wrong."""
    rates = rates or Rates()
    if recipe.world:
        return Findings(recipe.name, recipe.world, {}, _of_world(recipe, recipe.world, rates))
    blocks = {table: mapped.prepare(recipe, table) for table in recipe.tables}
    tallies = {table: _count(table, blocks[table]) for table in recipe.tables}
    amounts = {table: sum(len(block.files) for block in blocks[table]) for table in blocks}
    found = {table: tally.findings(amounts[table], tallies) for table, tally in tallies.items()}
    pins = found["pins"].rows
    train, queries, heldout = _judged_pairs(tallies)
    shown = tallies["impressions"].distinct_pairs() if "impressions" in tallies else queries * recipe.labels.per_query
    return Findings(recipe.name, None, found, _estimate(recipe, pins, (train, heldout), shown, rates))


def _count(table: str, blocks: list[mapped.Block]) -> Tally:
    tally = Tally(table)
    rows = sum(files.count(file) for block in blocks for file in block.files)
    with track(f"check {table}", rows, "rows") as advance:
        for part in mapped.parts(table, blocks):
            tally.add(part)
            advance(part.read)
    return tally


def _judged_pairs(tallies: dict[str, Tally]) -> tuple[int, int, int]:
    """How many judged pairs, and how many queries, the split leaves for training; how many pairs are measured on."""
    found = {n: tallies[n].labels().group_by(["query", "pin_id"]).aggregate([]) for n in _LABELS if n in tallies}
    split = Split(found.get("heldout"))
    parts = {p: split.select(found["judgments"], p) if "judgments" in found else _NONE for p in ("train", "test")}
    heldout: pa.Table = found.get("heldout", parts["test"])
    return parts["train"].num_rows, len(parts["train"].column("query").unique()), heldout.num_rows


def _of_world(recipe: Recipe, world: World, rates: Rates) -> Estimate:
    train = world.judged_pairs * 7 // 10  # seven of ten folds
    return _estimate(recipe, world.pins, (train, world.heldout_pairs), world.searches * world.results_per_search, rates)


def _estimate(recipe: Recipe, pins: int, judged: tuple[int, int], available: int, rates: Rates) -> Estimate:
    """`judged`: the pairs to train and to measure on."""
    train, heldout = judged
    label = min(train * recipe.labels.per_human_label, available)
    seconds = {
        "teach": train * recipe.teacher.epochs / rates.trained_pairs,
        "label": label / rates.graded_pairs,
        "index": pins / rates.embedded_pins,
    }
    return Estimate(pins, train, label, heldout, {stage: math.ceil(s) for stage, s in seconds.items()})
