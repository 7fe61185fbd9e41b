"""The command line: one command per stage, each bringing up to date all that it needs."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from limbeck import __version__, ending
from limbeck.errors import IncompleteError, InputError

if TYPE_CHECKING:
    from limbeck.settings import Recipe
    from limbeck.workspace import Workspace

app = typer.Typer(
    help="Search relevance with language models: from a few thousand human labels to a fast, measured, served ranker.",
    epilog="Start with [bold]limbeck demo[/], or [bold]limbeck init[/] for your own tables.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
START, STAGES, USE = "Start", "Stages, in order: each first brings up to date what it needs", "Use"
RecipePath = Annotated[Path, typer.Argument(metavar="RECIPE", help="A TOML recipe; `limbeck init` writes one.")]
WorkspacePath = Annotated[
    Path | None, typer.Option("--workspace", "-w", help="Where tables and models are kept [workspaces/NAME].")
]

ByWhat = Annotated[str, typer.Option("--by", help="Whose vectors: student, searchsage, pinsage or untuned.")]


@app.callback(invoke_without_command=True)
def options(
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object per line on stdout, for machines.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """What holds for every command."""
    from limbeck import processes, progress

    if version:
        typer.echo(f"limbeck {__version__}")
        raise typer.Exit
    progress.choose("quiet" if quiet or not processes.leads() else "json" if json else "rich")


@app.command(rich_help_panel=START)
def init(path: Annotated[Path, typer.Argument(metavar="RECIPE")] = Path("recipe.toml")) -> None:
    """Write a commented recipe that maps your own tables, to edit."""
    from limbeck.progress import say
    from limbeck.starting_recipe import MINE

    if path.exists():
        raise InputError("there is a file already", file=path, remedy="Choose another name")
    path.write_text(MINE, encoding="utf-8")
    say("written", f"Wrote {path}. Edit it, then: limbeck check {path}", path=path)


@app.command(rich_help_panel=START)
def check(recipe: RecipePath) -> None:
    """Read all input and print what is there and what is wrong with it; nothing is written."""
    from rich.markup import escape

    from limbeck import progress
    from limbeck.recipe_file import read
    from limbeck.sources import check as checking

    settings = read(recipe)
    findings = checking.check(settings)
    if progress.mode() == "json":
        typer.echo(checking.to_json(findings))
    else:
        checking.render(findings, progress.console)
    if settings.judge is not None:
        from limbeck import judging

        line = judging.outlook(settings, settings.judge, findings.estimate.heldout_pairs)
        progress.say("judge", escape(line), cost=line)


@app.command(rich_help_panel=START)
def run(recipe: RecipePath, workspace: WorkspacePath = None) -> None:
    """Run all stages that are out of date, skip the others, and say why."""
    _run(recipe, workspace, "report")


@app.command(rich_help_panel=STAGES)
def caption(recipe: RecipePath, workspace: WorkspacePath = None) -> None:
    """Let a model say what the pictures show, only where their bytes changed."""
    from limbeck.recipe_file import read

    if read(recipe).captions is None:
        raise InputError("no [captions] in it", file=recipe, remedy="Add it: docs/captions.md says what it holds")
    _run(recipe, workspace, "caption")


@app.command(rich_help_panel=STAGES)
def enrich(recipe: RecipePath, workspace: WorkspacePath = None) -> None:
    """Gather all that each Pin says: title, caption, boards, engaged queries, linked page."""
    _run(recipe, workspace, "enrich")


@app.command(rich_help_panel=STAGES)
def teach(recipe: RecipePath, workspace: WorkspacePath = None) -> None:
    """Fine-tune the teacher, a language-model cross-encoder, on the human labels."""
    _run(recipe, workspace, "teach")


@app.command(rich_help_panel=STAGES)
def label(recipe: RecipePath, workspace: WorkspacePath = None) -> None:
    """Let the teacher label many more pairs, sampled from the search log."""
    _run(recipe, workspace, "label")


@app.command(rich_help_panel=STAGES)
def distill(recipe: RecipePath, workspace: WorkspacePath = None) -> None:
    """Train the student on the teacher's labels."""
    _run(recipe, workspace, "distill")


@app.command(rich_help_panel=STAGES)
def index(
    recipe: RecipePath,
    workspace: WorkspacePath = None,
    keep_models: Annotated[
        bool, typer.Option("--keep-models", help="Train nothing: today's tables, by the models as they were trained.")
    ] = False,
) -> None:
    """Compute the vectors of all Pins, only where something changed, and index them.

    With --keep-models, new tables cost what is new in them: a daily run, between trainings.
    """
    if keep_models:
        _refresh(recipe, workspace)
    else:
        _run(recipe, workspace, "index")


@app.command(rich_help_panel=STAGES)
def evaluate(recipe: RecipePath, workspace: WorkspacePath = None) -> None:
    """Measure every grader on held-out labels, with intervals."""
    _run(recipe, workspace, "evaluate")


@app.command(rich_help_panel=STAGES)
def report(
    recipe: RecipePath,
    other: Annotated[
        Path | None, typer.Argument(metavar="[OTHER]", help="Another run to compare it with: its recipe or workspace.")
    ] = None,
    workspace: WorkspacePath = None,
) -> None:
    """Write the report: one self-contained HTML page. With another run, a page that compares the two."""
    beside = other and _beside(other)  # refused before anything is made
    _run(recipe, workspace, "report")
    if other and beside:
        _compare(*_open(recipe, workspace), other.stem, *beside)


@app.command(rich_help_panel=USE)
def reproduce(
    recipe: Annotated[Path | None, typer.Argument(metavar="[RECIPE]", help="Without one: the generated world.")] = None,
    workspace: WorkspacePath = None,
    table: Annotated[
        list[int] | None, typer.Option(help="Only this table, 1 to 5; may be given several times.")
    ] = None,
    docs: Annotated[Path | None, typer.Option(help="Write the tables into this Markdown file, too.")] = None,
) -> None:
    """Run the paper's tables as variants of a run, and put them on a page beside the report."""
    with _importing():
        from limbeck.progress import say
        from limbeck.reproduce import tables

    settings, ws = _open(recipe, workspace) if recipe else (_world(), _workspace(_world(), workspace))
    page = tables.reproduce(settings, ws, table or tables.NUMBERS, docs).resolve()
    say("reproduction", f"\nTables: [bold]{page}[/]", reproduction=page)


@app.command(rich_help_panel=USE)
def serve(
    recipe: Annotated[Path | None, typer.Argument(metavar="[RECIPE]", help="Or only --workspace.")] = None,
    workspace: WorkspacePath = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 chooses a free one.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that answer, of one thread each: one a core.")] = None,
    affinity: Annotated[
        bool | None, typer.Option(help="Let each of several workers stay on a core of its own.")
    ] = None,
    busy_poll: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Stay awake so long after answers: takes cores to spare."),
    ] = None,
    beside: Annotated[
        list[Path] | None, typer.Option(help="Another run to compare with on the page: its recipe or workspace.")
    ] = None,
) -> None:
    """Serve search and re-ranking over HTTP from the index."""
    import dataclasses

    with _importing():
        from limbeck.recipe_file import read
        from limbeck.serve.running import run as run_app
        from limbeck.settings import Serve
        from limbeck.workspace import Workspace

    if recipe is None and workspace is None:
        raise InputError("nothing to serve", remedy="Give a recipe, or --workspace")
    settings = read(recipe).serve if recipe else Serve()
    ws = _open(recipe, workspace)[1] if recipe else Workspace(Path(workspace or "."))
    given: dict[str, Any] = {
        "host": host,
        "port": port,
        "workers": workers,
        "affinity": affinity,
        "busy_poll_seconds": busy_poll,
    }
    settings = dataclasses.replace(settings, **{name: value for name, value in given.items() if value is not None})
    others = [_beside(path)[1] for path in beside or ()]
    run_app(ws, settings, beside=others)


@app.command(rich_help_panel=USE)
def rate(
    recipe: RecipePath,
    workspace: WorkspacePath = None,
    raters: Annotated[str, typer.Option(help="Who rates: names with commas between them; more may join later.")] = "",
    queue: Annotated[
        list[str] | None, typer.Option(help="Fill the queue: log, unsure, disagree, feed:QUERY, gold, or a CSV file.")
    ] = None,
    test: Annotated[bool, typer.Option("--test", help="Take pairs of test queries too: only to measure on.")] = False,
    export: Annotated[Path | None, typer.Option(help="Only write what was said into this folder.")] = None,
) -> None:
    """Let people rate pairs in their browsers, and see how far they agree; `run` learns from what they say."""
    from limbeck import rating
    from limbeck.rate.export import write
    from limbeck.rate.store import reading

    settings, ws = _open(recipe, workspace)
    if export is not None:
        with reading(rating.database(settings)) as store:
            write(store, export)
        return
    if not ws.has("pins"):
        _bring_up_to_date(settings, ws, "source")
    rating.serve(settings, ws, [name.strip() for name in raters.split(",") if name.strip()], queue or [], test)


@app.command(rich_help_panel=USE)
def embeddings(
    recipe: RecipePath,
    out: Annotated[Path, typer.Option(help="The folder to write, not there yet or empty.")],
    by: ByWhat = "student",
    workspace: WorkspacePath = None,
) -> None:
    """Export the vectors of all Pins, boards and queries, as Parquet and NumPy."""
    with _importing():
        from limbeck import embeddings
        from limbeck.progress import say

    embeddings.export(*_open(recipe, workspace), by, out)
    say("written", f"Wrote {out}", path=out)


@app.command(rich_help_panel=USE)
def similar(
    recipe: RecipePath,
    pin: Annotated[str | None, typer.Option(help="What is to be near this Pin.")] = None,
    board: Annotated[str | None, typer.Option(help="What is to be near this board.")] = None,
    text: Annotated[str | None, typer.Option(help="What is to be near this text.")] = None,
    find: Annotated[str, typer.Option(help="What to look for: pins, boards or queries.")] = "pins",
    k: Annotated[int, typer.Option("-k", min=1, help="How many.")] = 10,
    by: ByWhat = "student",
    workspace: WorkspacePath = None,
) -> None:
    """Find the Pins, boards or queries nearest to a Pin, a board or a text."""
    with _importing():
        from rich.markup import escape

        from limbeck import similar as neighbours
        from limbeck.progress import say

    given = {"pins": pin, "boards": board, "texts": text}
    asked = [(kind, name) for kind, name in given.items() if name is not None]
    if len(asked) != 1:
        raise InputError("what is it to be near to?", remedy="Give one of --pin, --board and --text")
    for near in neighbours.similar(*_open(recipe, workspace), by, asked[0], find, k):
        message = f"{near.similarity:6.3f}  [bold]{escape(near.id)}[/]  {escape(near.title or '')}"
        say("near", message, id=near.id, title=near.title, similarity=near.similarity)


@app.command(rich_help_panel=START)
def demo(
    workspace: WorkspacePath = None,
    pins: Annotated[int | None, typer.Option(help="Size of the generated world.")] = None,
) -> None:
    """Run the whole flow on a small generated Pinterest, and say where the report is."""
    import dataclasses

    recipe = _world()
    if pins is not None and recipe.world is not None:
        recipe = dataclasses.replace(recipe, world=dataclasses.replace(recipe.world, pins=pins))
    _bring_up_to_date(recipe, _workspace(recipe, workspace), "report")


def _world() -> "Recipe":
    """The recipe of the demo's generated world."""
    from limbeck.recipe_file import parse
    from limbeck.starting_recipe import DEMO

    return parse(DEMO, Path("demo.toml"))


def _run(recipe: Path, workspace: Path | None, until: str) -> None:
    _bring_up_to_date(*_open(recipe, workspace), until)


def _refresh(recipe: Path, workspace: Path | None) -> None:
    opened = _open(recipe, workspace)
    with _importing():
        from limbeck import pipeline
    pipeline.refresh(*opened)


def _open(path: Path, workspace: Path | None) -> "tuple[Recipe, Workspace]":
    from limbeck.recipe_file import read

    recipe = read(path)
    return recipe, _workspace(recipe, workspace)


def _workspace(recipe: "Recipe", given: Path | None) -> "Workspace":
    from limbeck.workspace import Workspace

    return Workspace(given or Path(recipe.workspace or f"workspaces/{recipe.name}"))


@contextmanager
def _importing() -> Iterator[None]:
    """What is imported stays: garbage is neither sought while it grows nor, by training and serving, in it again."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _bring_up_to_date(recipe: "Recipe", ws: "Workspace", until: str) -> None:
    with _importing():
        from limbeck import pipeline
        from limbeck.progress import say

    unfinished = pipeline.run(recipe, ws, until)
    if until in ("evaluate", "report"):
        _show_summary(ws)
    if until == "report":
        page = (ws.root / "report.html").resolve()
        say("report", f"\nReport: [bold]{page}[/]", report=page)
        command = f"{ending.program()} serve --workspace {ws.root}"
        say("serve", f"Search: [bold]{command}[/], then open http://127.0.0.1:{recipe.serve.port}/", command=command)
    if unfinished:
        raise IncompleteError("; ".join(unfinished))


def _beside(path: Path) -> "tuple[Recipe | None, Workspace]":
    """Another run, by its recipe or its workspace."""
    from limbeck.workspace import Workspace

    return (None, Workspace(path)) if path.is_dir() else _open(path, None)


def _compare(recipe: "Recipe", ws: "Workspace", name: str, before: "Recipe | None", other: "Workspace") -> None:
    from limbeck import comparing, progress
    from limbeck.measure.evaluate import summary_table

    progress.show(summary_table(comparing.compare(recipe, ws, other, name, before)))
    page = (ws.root / comparing.PAGE).resolve()
    progress.say("comparison", f"\nComparison: [bold]{page}[/]", comparison=page)


def _show_summary(ws: "Workspace") -> None:
    from limbeck import lineup, progress
    from limbeck.measure.evaluate import summary_table

    progress.show(summary_table(lineup.evaluation(ws)))


def main() -> None:
    """Run the command line."""
    ending.told(lambda: app(standalone_mode=False))


def console() -> NoReturn:
    """`main` for a process that ends with it."""
    ending.leave(main)
