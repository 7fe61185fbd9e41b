"""The five tables, from what the graders of the main run and of its variants answered to the same held-out pairs."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from limbeck import assembly, lineup
from limbeck.measure import reproduction
from limbeck.measure.reproduction import Entry, Row, Table
from limbeck.relevance import Split
from limbeck.reproduce import paper, remarks
from limbeck.reproduce.running import answers, offered, place, taught
from limbeck.reproduce.teachers import parameters
from limbeck.reproduce.variants import Variant
from limbeck.settings import Recipe
from limbeck.workspace import Workspace

VERSION = 4  # raise it when the same answers are to give other tables
MOST_SEGMENTS = 12
TITLES = {
    1: ("Graders", "How far do graders of growing size get?"),
    2: ("Text sources", "What does each further source of text add, to the teacher and to its student?"),
    3: ("Teacher labels", "What does the student gain from more pairs that the teacher labels?"),
    4: ("Languages and countries", "How good is the student where nobody labelled anything?"),
    5: ("Signals", "What does the student lose without each signal?"),
}


def table(number: int, recipe: Recipe, ws: Workspace, variants: Sequence[Variant]) -> Table:
    """Measure one of the tables; its variants have been run."""
    truth = assembly.held_out(ws)
    rows = reproduction.corrected(list(MAKERS[number](recipe, ws, truth, variants)))
    title, question = TITLES[number]
    return Table(
        number=number,
        title=title,
        question=question,
        claim=paper.CLAIMS[number],
        pairs=truth.num_rows,
        queries=len(truth.column("query").unique()),
        headline=recipe.measure.headline,
        confidence=recipe.measure.confidence,
        rows=rows,
        higher=number != 5,
        remarks=tuple(remarks.of(number, recipe, ws, rows)),
        paper=paper.FIGURES[number],
    )


def _graders(recipe: Recipe, ws: Workspace, truth: pa.Table, variants: Sequence[Variant]) -> Iterator[Row]:
    """Text match, cosines, then teachers by size: each teacher against the one before, the first against SearchSAGE."""
    main = lineup.grades(ws)
    entries = [Entry(name, name, main[name]) for name in ("text match", "cosine", "SearchSAGE") if name in main]
    sized = [(recipe.teacher.backbone, parameters(ws.folder("models/teacher")), main["teacher"])]
    for variant in variants:
        own = place(ws, variant)
        sized.append((variant.label, parameters(own.folder("models/teacher")), answers(own, ws)["teacher"]))
    for label, size, answer in sorted(sized, key=lambda teacher: teacher[1]):
        note = f"{size / 1e6:.1f} M parameters"
        entries.append(Entry(f"teacher: {label}", "teacher", answer, len(entries) - 1, note=note))
    yield from reproduction.measure(entries, truth, recipe.measure, recipe.seed)


def _sources(recipe: Recipe, ws: Workspace, truth: pa.Table, variants: Sequence[Variant]) -> Iterator[Row]:
    """Teacher and student with one more source each, each against itself with one less."""
    entries: list[Entry] = []
    for step, variant in enumerate(variants):
        answer, label = answers(place(ws, variant), ws), variant.label.replace("_", " ")
        name = f"+ {label}" if step else label
        for grader in ("teacher", "student"):
            entries.append(Entry(name, grader, answer[grader], len(entries) - 2 if step else None))
    yield from reproduction.measure(entries, truth, recipe.measure, recipe.seed)


def _amounts(recipe: Recipe, ws: Workspace, truth: pa.Table, variants: Sequence[Variant]) -> Iterator[Row]:
    """The student by how much it learnt from; each amount against the one before."""
    (variant,) = variants
    own = place(ws, variant)
    known = variant.then(offered(variant.recipe, own)).recipe if variant.then else variant.recipe
    labels = taught(known, own)
    human = labels["student-human"]
    found = answers(own, ws)
    entries = [Entry("no teacher labels: human ones alone", "student", found["student-human"], labelled=human)]
    for name in sorted((n for n in found if n != "student-human"), key=lambda n: labels[n]):
        label = f"{labels[name] / max(human, 1):.3g} × the human labels"
        entries.append(Entry(label, "student", found[name], len(entries) - 1, labels[name]))
    yield from reproduction.measure(entries, truth, recipe.measure, recipe.seed)


def _segments(recipe: Recipe, ws: Workspace, truth: pa.Table, variants: Sequence[Variant]) -> Iterator[Row]:
    """Parts of the pairs: the student against the baseline, with the teacher and the student of human labels alone."""
    main = lineup.grades(ws)
    names = list(dict.fromkeys([recipe.measure.baseline, "student-human", "student", "teacher"]))
    against = {"student": 0} if names[0] != "student" else {}
    for title, keep in _parts(ws, truth):
        entries = [Entry(f"{title}: {keep.sum():,} pairs", n, main[n][keep], against.get(n)) for n in names]
        yield from reproduction.measure(entries, truth.filter(pa.array(keep)), recipe.measure, recipe.seed)


def _parts(ws: Workspace, truth: pa.Table) -> Iterator[tuple[str, np.ndarray]]:
    """The pairs of all languages without a human label, then those of each language and of each country."""
    learnt = Split(ws.table("heldout", ["query"])).select(ws.table("judgments"), "train")
    for dimension in ("language", "country"):
        values, human = (np.asarray(table.column(dimension).to_pylist(), object) for table in (truth, learnt))
        labelled = {value: int((human == value).sum()) for value in set(values.tolist())}
        without = np.asarray([not labelled[value] for value in values.tolist()], bool)
        if dimension == "language" and 0 < without.sum() < len(without):
            yield "languages without a human label together", without
        largest = sorted(labelled, key=lambda value: (-(values == value).sum(), str(value)))[:MOST_SEGMENTS]
        for value in largest if len(labelled) > 1 else []:
            note = f"{labelled[value]:,} human labels" if labelled[value] else "no human label"
            yield f"{dimension} {value or 'unknown'}, {note}", values == value


def _signals(recipe: Recipe, ws: Workspace, truth: pa.Table, variants: Sequence[Variant]) -> Iterator[Row]:
    """The student without each signal that there is, against the student with all of them."""
    entries = [Entry("all signals", "student", lineup.grades(ws)["student"])]
    for variant in variants:
        own = place(ws, variant)
        if own.digest("models/student") != ws.digest("models/student"):
            entries.append(Entry(f"without {variant.label}", "student", answers(own, ws)["student"], 0))
    yield from reproduction.measure(entries, truth, recipe.measure, recipe.seed)


Maker = Callable[[Recipe, Workspace, pa.Table, Sequence[Variant]], Iterator[Row]]
MAKERS: Mapping[int, Maker] = {1: _graders, 2: _sources, 3: _amounts, 4: _segments, 5: _signals}
