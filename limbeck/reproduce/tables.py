"""The paper's tables from beginning to end: the run itself, its variants, the measures, and the page of them."""

import functools
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.markup import escape

from limbeck import lineup, pipeline
from limbeck.errors import InputError
from limbeck.measure import reproduction_page
from limbeck.measure.reproduction import Table
from limbeck.progress import say
from limbeck.reproduce import results, running, teachers, variants
from limbeck.reproduce.running import GRADES, Outlook
from limbeck.reproduce.variants import Variant
from limbeck.settings import SOURCES, Recipe
from limbeck.workspace import Made, Workspace

PAGE, FILE = lineup.REPRODUCTION, "table.json"
NUMBERS = tuple(results.MAKERS)


def reproduce(recipe: Recipe, ws: Workspace, numbers: Sequence[int] = NUMBERS, docs: Path | None = None) -> Path:
    """Bring these tables up to date, and with them the page of all that there are; into `docs` as Markdown, too."""
    for number in numbers:
        if number not in NUMBERS:
            raise InputError(f"there is no table {number}", remedy=f"They are {', '.join(map(str, NUMBERS))}")
    before = _plans(numbers, recipe, ws)
    outlook = Outlook(recipe, ws, [variant for those in before.values() for variant in those])
    unfinished = pipeline.run(recipe, ws)
    asked = _plans(numbers, recipe, ws)  # once more, as it is known now what there is to leave out
    outlook.keep(variant.name for those in asked.values() for variant in those)
    with ws.writing():
        if 1 in asked:
            teachers.cut(recipe, ws)
        for number, those in asked.items():
            running.run(those, ws, outlook)
            _measure(number, recipe, ws, those)
    _write(recipe, ws, docs)
    pipeline.run(recipe, ws)  # whose report names the page now
    for problem in unfinished:
        say("unfinished", f"[yellow]{escape(problem)}[/]", why=problem)
    return ws.root / PAGE


def _plans(numbers: Sequence[int], recipe: Recipe, ws: Workspace) -> dict[int, list[Variant]]:
    return {number: planned(number, recipe, ws) for number in sorted(set(numbers))}


def planned(number: int, recipe: Recipe, ws: Workspace) -> list[Variant]:
    """The variants that a table needs besides the run itself."""
    match number:
        case 1:
            return variants.teachers(recipe, teachers.backbones(recipe, ws))
        case 2:
            return variants.sources(recipe, said(ws))
        case 3:
            return [variants.amounts(recipe)]
        case 5:
            return variants.signals(recipe)
    return []


def said(ws: Workspace) -> tuple[str, ...]:
    """The sources by which some Pin says something; all of them where texts have not been gathered yet."""
    shards = [pq.ParquetFile(path) for path in ws.shards("pin_texts")] if ws.has("pin_texts") else []
    return tuple(source for source in SOURCES if not shards or any(_is_said(shard, source) for shard in shards))


def _is_said(shard: pq.ParquetFile, source: str) -> bool:
    column = shard.read([source]).column(source)
    length = pc.list_value_length if pa.types.is_list(column.type) else pc.binary_length
    return bool(pc.any(pc.greater(length(column), 0)).as_py())


def _measure(number: int, recipe: Recipe, ws: Workspace, those: Sequence[Variant]) -> None:
    """Commit a table's figures as `reproduction/table-N`, unless they are up to date."""
    digests = {variant.name: running.place(ws, variant).digest(GRADES) for variant in those}
    now = ws.made_from([GRADES], version=results.VERSION, measure=recipe.measure, seed=recipe.seed)
    made, name = Made({**now.inputs, **digests}, now.settings, now.version), f"reproduction/table-{number}"
    if why := ws.outdated(name, made):
        say("make", f"  [bold]table {number}[/]: {why}", name=name, why=why)
        table = functools.partial(results.table, number, recipe, ws, those)
        ws.write_folder(name, made, lambda out, _: _save(table(), out))


def _save(table: Table, out: Path) -> None:
    (out / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(table)))


def measured(ws: Workspace) -> list[Table]:
    """The tables that are there and of the run as it is now."""
    found = []
    for name in (f"reproduction/table-{number}" for number in NUMBERS):
        if ws.has(name) and ws.manifest(name).made.inputs[GRADES] == ws.digest(GRADES):
            found.append(msgspec.json.decode((ws.folder(name) / FILE).read_bytes(), type=Table))
    return found


def _write(recipe: Recipe, ws: Workspace, docs: Path | None) -> None:
    tables = measured(ws)
    missing = tuple(title for n, (title, _) in results.TITLES.items() if n not in {table.number for table in tables})
    about = reproduction_page.About(recipe.name, size(recipe, ws), recipe.measure.bootstrap, missing)
    _replace(ws.root / PAGE, reproduction_page.html(tables, about))
    if docs is not None:
        _document(docs, tables, about)
        say("docs", f"Wrote {docs}", docs=docs)


def _document(docs: Path, tables: Sequence[Table], about: reproduction_page.About) -> None:
    """The page as Markdown, its plots in files beside it."""
    pictures = reproduction_page.drawn(tables)
    names = {number: f"{docs.stem}-{number}.svg" for number in pictures}
    for number, picture in pictures.items():
        _replace(docs.with_name(names[number]), picture)
    _replace(docs, reproduction_page.markdown(tables, about, names))


def size(recipe: Recipe, ws: Workspace) -> str:
    """What the tables were measured on, in words."""
    rows = {name: ws.manifest(name).rows for name in ("pins", "impressions", "judgments", "heldout") if ws.has(name)}
    counted = ", ".join(f"{number:,} {name}" for name, number in rows.items())
    where = f"the generated world of seed {recipe.seed}" if recipe.world else f"the tables of {recipe.name}"
    taught, learnt = (f"{n:g} epoch{'s' * (n != 1)}" for n in (recipe.teacher.epochs, recipe.student.epochs))
    models = f"teacher {recipe.teacher.backbone}, {taught}; student, {learnt}"
    return f"{where}: {counted}; {models}; {recipe.labels.per_human_label} teacher labels per human label"


def _replace(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)
