"""Why a table may not show here what the paper found: said beside the figures, from what is known of this run."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence

from limbeck import assembly, lineup
from limbeck.measure import reproduction, wording
from limbeck.measure.reproduction import Row
from limbeck.reproduce import variants
from limbeck.settings import Recipe
from limbeck.workspace import Workspace


def of(number: int, recipe: Recipe, ws: Workspace, rows: Sequence[Row]) -> Iterator[str]:
    """Sentences for one table; its rows are measured."""
    yield from _REMARKS[number](recipe, ws, rows)
    widths = [_width(row, recipe.measure.headline) for row in rows if row.differences]
    known = [width for width in widths if width is not None]
    if known:
        yield (
            f"A difference is known to within ±{statistics.median(known):.3f} here (the median of the table): "
            "smaller ones cannot be told from chance with so few queries."
        )


def _width(row: Row, metric: str) -> float | None:
    found = row.differences[metric].difference
    return None if found.low is None or found.high is None else (found.high - found.low) / 2


def _graders(recipe: Recipe, ws: Workspace, rows: Sequence[Row]) -> Iterator[str]:
    taught = assembly.judged(ws, "train").num_rows
    yield (
        f"Teachers learnt from {taught:,} pairs that people labelled, {recipe.teacher.epochs:g} times over; "
        "the paper's teachers have up to 8 billion parameters."
    )
    if recipe.world:
        yield (
            "The world's log is made by a ranker that roughly knows the true level, and by users who mostly see it "
            "(docs/world.md): vectors learnt from engagement have it easier than on a real log."
        )


def _sources(recipe: Recipe, ws: Workspace, rows: Sequence[Row]) -> Iterator[str]:
    yield (
        f"All sources share {recipe.text.max_tokens} tokens, so that a further one leaves less room for the others. "
        "The student's match features are of the same sources as the text; its other signals stay."
    )
    if recipe.world:
        yield "What each source of the world tells, and how often, stands in docs/world.md."


def _amounts(recipe: Recipe, ws: Workspace, rows: Sequence[Row]) -> Iterator[str]:
    human, most, asked = rows[0].labelled, rows[-1].labelled, max(recipe.reproduce.amounts)
    offered = most / max(human, 1)
    end = "as many as were asked for" if offered >= asked else f"there the data ends: {asked} × cannot be measured"
    yield f"There are {most:,} pairs to label for {human:,} human ones, {offered:.3g} ×: {end}."
    yield "All amounts are of one teacher, whose own mistakes more of its labels do not mend."
    teacher = reproduction.Entry("teacher", "teacher", lineup.grades(ws)["teacher"])
    itself = next(iter(reproduction.measure([teacher], assembly.held_out(ws), recipe.measure, recipe.seed)))
    reached = wording.decimals(itself.metrics[recipe.measure.headline].value)
    kept = recipe.student.human_share if recipe.student.human_weight else 0
    nearer = "" if kept else ": the more of its labels, the nearer its student comes to it"
    yield f"The teacher itself has {reached}{nearer}."
    if recipe.student.human_weight:
        share = f": at least {kept:.0%} of all that it learns (student.human_share)" if kept else ""
        yield f"Every student learns what people said as well, of the pairs that they judged{share}."


def _segments(recipe: Recipe, ws: Workspace, rows: Sequence[Row]) -> Iterator[str]:
    if not rows:
        yield "All pairs are of one language and one country: there is nothing to set side by side."
        return
    yield "The student's gain is over the baseline, in the same pairs; labels are counted that the teacher learnt from."
    if recipe.teacher.backbone.startswith("all-MiniLM"):
        yield "The backbone read English alone before: where nobody labelled, it knows the words that languages share."


def _signals(recipe: Recipe, ws: Workspace, rows: Sequence[Row]) -> Iterator[str]:
    yield (
        "The student learns the levels of people and of the teacher, which reads texts alone: what users did can only "
        "help as far as it tells of the level. Each signal's loss is measured with all the others still there."
    )
    measured = {row.name for row in rows}
    missing = [variant.label for variant in variants.signals(recipe) if f"without {variant.label}" not in measured]
    if missing:
        yield f"Of what could be left out, this workspace has nothing of: {', '.join(missing)}."


Remarks = Callable[[Recipe, Workspace, Sequence[Row]], Iterator[str]]
_REMARKS: Mapping[int, Remarks] = {1: _graders, 2: _sources, 3: _amounts, 4: _segments, 5: _signals}
