"""Irrelevant held-out pairs, their Pins attacked, and what the graders answer to those."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from limbeck import assembly, lineup
from limbeck.lineup import Catalogue
from limbeck.measure import attacks
from limbeck.relevance import Grader
from limbeck.settings import Recipe
from limbeck.student import encode
from limbeck.text import compose
from limbeck.workspace import Workspace


def grade(recipe: Recipe, ws: Workspace, out: Path) -> None:
    """Write the pairs (`asked.parquet`), what their Pins say (`texts.parquet`), and every grader's answers."""
    pairs = attacks.irrelevant(assembly.held_out(ws), recipe.measure.attacked_pairs, recipe.seed)
    said = ws.table("pin_texts")
    said = said.filter(pc.is_in(said.column("pin_id"), pairs.column("pin_id")))
    asked, pins = attacks.attacked(pairs, said, attacks.shipped())
    composed = compose.compose(pins, recipe.text, assembly.counting_tokenizer(recipe)).select(["pin_id", "text"])
    pq.write_table(asked, out / "asked.parquet")
    pq.write_table(composed, out / "texts.parquet")
    lineup.write(asked, _graders(recipe, ws, composed, pins) if asked.num_rows else {}, out)


def read(ws: Workspace) -> tuple[pa.Table, pa.Table]:
    """The attacked pairs (query, pin_id, kind), and what their Pins say (pin_id, text)."""
    folder = ws.folder("evaluation/attacked")
    return pq.read_table(folder / "asked.parquet"), pq.read_table(folder / "texts.parquet")


def _graders(recipe: Recipe, ws: Workspace, composed: pa.Table, pins: pa.Table) -> dict[str, Callable[[], Grader]]:
    """The graders of attacked Pins (pin_texts), but for those that only stand on the learning curve."""
    own, apart = lineup.catalogue(recipe, ws), lineup.measured_apart(recipe)
    untuned = encode.Encoder.untuned(assembly.adapted(recipe, ws).student)
    base = encode.Vectors.of_texts(composed, untuned)
    of = Catalogue(composed, own.features.over(pins, base.of(pins.column("pin_id").to_pylist())), base, own.read)
    return {n: grader for n, grader in lineup.graders(recipe, ws, own, of).items() if n not in apart}
