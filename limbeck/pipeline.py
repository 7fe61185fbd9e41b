"""The stages in order, one short function each: read tables, call the package, write tables.

    source ─► caption ─► enrich ─► teach ─► label ─► distill ─► index ─► evaluate ─► report

Every stage says what it would make and from what (`Made`); the workspace answers whether that is there already. A run
therefore does only what is out of date, and says why. What a stage needs from several packages at once is put together
in `assembly.py`.
"""

import functools
import json
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
from rich.markup import escape

from limbeck import assembly, attacking, judging, labelling, lineup, processes, tracking
from limbeck.captions import run as captioning
from limbeck.errors import IncompleteError, InputError
from limbeck.failures import explained
from limbeck.index import lexical, nearest
from limbeck.measure import attacks
from limbeck.progress import say
from limbeck.records import INPUTS
from limbeck.settings import Recipe
from limbeck.signals import match_index
from limbeck.sources import check, mapped
from limbeck.sources.world import generate
from limbeck.student import train as student_training
from limbeck.teacher import adapt
from limbeck.teacher import train as teacher_training
from limbeck.text import gather
from limbeck.workspace import Made, Workspace, digest_of_rows

EVIDENCE = ("pins", "boards", "saves", "links", "impressions", "captions", "generated_captions")
HISTORY = "history.jsonl"
Inputs = Mapping[str, tuple[Made, Callable[[], assembly.Shards]]]  # by table: what it is made from, and how


@dataclass(frozen=True)
class Run:
    """A recipe, the workspace it is run in, its input tables, and what the present stage has made."""

    recipe: Recipe
    ws: Workspace
    inputs: Inputs
    made: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)

    def table(self, name: str, made: Made, shards: Callable[[], assembly.Shards]) -> None:
        """Bring a table up to date; `shards` is only called when it is not."""
        if self._outdated(name, made):
            with explained(self.ws, made):
                self.ws.write_table(name, made, shards())

    def folder(self, name: str, made: Made, build: Callable[[Path, Path], None]) -> None:
        """Bring a model, index or report up to date; `build` is only called when it is not."""
        if self._outdated(name, made):
            with explained(self.ws, made):
                self.ws.write_folder(name, made, build)

    def attempt(self, name: str, made: Made, build: Callable[[Path, Path], None]) -> None:
        """As `folder`, for what others may fail to give us: then there is none, and the run goes on without it."""
        try:
            self.folder(name, made, build)
        except (IncompleteError, InputError) as error:
            self.ws.remove(name)
            say("unfinished", f"  [yellow]{escape(str(error))}[/]", name=name, why=str(error))
            self.unfinished.append(str(error))

    def forget(self, name: str) -> None:
        """What an earlier recipe asked for, and this one does not."""
        if self.ws.has(name):
            self.ws.remove(name)

    def _outdated(self, name: str, made: Made) -> bool:
        why = self.ws.outdated(name, made)
        if why is None:
            say("skip", f"  [dim]{name}: up to date[/]", name=name)
        else:
            say("make", f"  [bold]{name}[/]: {why}", name=name, why=why)
            self.made.append(name)
        return why is not None


def run(recipe: Recipe, ws: Workspace, until: str = "report") -> list[str]:
    """Bring everything up to and including the stage `until` up to date. Wrong input is refused before any writing.

    What others failed to give, and the run went on without, is returned in words.
    """
    if processes.count() > 1 and until != "teach":
        remedy = "Launch `limbeck teach` with several, then run the rest without"
        raise InputError(f"several processes serve to train the teacher, not for `{until}`", remedy=remedy)
    inputs = _inputs(recipe)
    assembly.required(recipe)
    if not processes.leads():
        _train_along(recipe, ws)
        return []
    judging.check(recipe, until in ("evaluate", "report") and not ws.has("evaluation/judge"))
    unfinished: list[str] = []
    if recipe.world is None and any(ws.outdated(name, made) for name, (made, _) in inputs.items()):
        check.check(recipe)
    with ws.writing():
        for name, stage in STAGES.items():
            if name == "caption" and recipe.captions is None:
                continue
            begun = time.monotonic()
            say("stage", f"[bold cyan]{name}[/]", stage=name)
            present = Run(recipe, ws, inputs, unfinished=unfinished)
            stage(present)
            seconds = round(time.monotonic() - begun, 1)
            say("done", f"  [dim]{seconds:.1f} s[/]", stage=name, seconds=seconds, made=present.made)
            if present.made:
                _remember(ws, name, seconds)
            if name == until:
                break
    return unfinished


def source(run: Run) -> None:
    """The user's own files, mapped, or the generated world: the input tables."""
    ws, recipe = run.ws, run.recipe
    for name in INPUTS:
        if name in run.inputs:
            run.table(name, *run.inputs[name])
        elif ws.has(name):
            ws.remove(name)
    _say_what_is_missing(ws)
    world, seed = recipe.world, recipe.seed
    if world is not None and world.pictures:
        made = ws.made_from(["pins"], world=world, seed=seed)
        run.folder("images/pins", made, lambda out, scratch: generate.draw(world, seed, ws.table("pins"), out))
    elif ws.has("images/pins"):
        ws.remove("images/pins")
    for name in ("pictures", "generated_captions"):
        if recipe.captions is None and ws.has(name):
            ws.remove(name)


def caption(run: Run) -> None:
    """What the pictures show, as a model words it, for Pins without a caption of the user's."""
    ws, settings = run.ws, run.recipe.captions
    assert settings is not None  # `run` leaves this stage out otherwise
    folder, model = assembly.picture_folder(run.recipe, ws), assembly.captioner(run.recipe)
    images = captioning.wanted(ws)
    made = Made(
        {"images": captioning.fingerprint(images, folder)}, ws.made_from([], captions=settings, by=model[0]).settings
    )
    run.table("pictures", made, lambda: captioning.pictures(ws, settings, folder, model, images))
    made = ws.made_from(["pins", "captions", "pictures"])
    run.table("generated_captions", made, lambda: {"00000": lambda: captioning.generated(ws)})
    counts = captioning.counts(ws)
    captioned = counts.pop("", 0)
    skipped = ", ".join(f"{reason} {number:,}" for reason, number in counts.items()) or "none"
    message = f"  {captioned:,} pictures have a caption; skipped: {skipped}"
    say("pictures", message, captioned=captioned, skipped=counts)


def enrich(run: Run) -> None:
    """All that a Pin says, gathered and rendered; the catalogue made ready for matching and searching."""
    ws, recipe, text = run.ws, run.recipe, run.recipe.text
    files = {name: ws.shards(name) for name in EVIDENCE if ws.has(name)}
    gathering = {k: v for k, v in vars(text).items() if k not in ("sources", "max_tokens")}
    made = ws.made_from(EVIDENCE, text=gathering)
    run.folder("evidence/parts", made, lambda out, scratch: gather.prepare(files, text, out, scratch))
    prepared = ws.folder("evidence/parts")
    buckets = {f"{n:05d}": functools.partial(gather.bucket, files, prepared, text, n) for n in range(text.buckets)}
    run.table("pin_texts", made, lambda: buckets)
    rendering = {"sources": text.sources, "max_tokens": text.max_tokens, "backbone": run.recipe.teacher.backbone}
    run.table("composed", ws.made_from(["pin_texts"], rendering=rendering), lambda: assembly.composed(recipe, ws))
    made = ws.made_from(["pin_texts"], version=match_index.VERSION)
    run.folder("signals/match", made, lambda out, scratch: match_index.build(assembly.batches(ws, "pin_texts"), out))
    made = ws.made_from(["pin_texts"])
    run.folder("index/lexical", made, lambda out, scratch: lexical.build(assembly.batches(ws, "pin_texts"), out))


def teach(run: Run) -> None:
    """Fine-tune the teacher on the human levels of the training queries, its backbone adapted first where asked."""
    ws, recipe = run.ws, run.recipe
    if recipe.adapt:
        _together(run, "models/adapted", _reading(recipe, ws), functools.partial(_adapt, recipe, ws))
    else:
        run.forget("models/adapted")
    judged, made = _lesson(recipe, ws)
    _together(run, "models/teacher", made, functools.partial(_train, recipe, ws, judged))


def _together(run: Run, name: str, made: Made, train: Callable[[Path, Path], None]) -> None:
    """Bring a model up to date that all processes train, and tell the others whether there is anything to train."""
    called = []

    def build(out: Path, scratch: Path) -> None:
        called.append(processes.tell(True))
        train(out, scratch)

    run.folder(name, made, build)
    if not called:
        processes.tell(False)


def _train_along(recipe: Recipe, ws: Workspace) -> None:
    """What the other processes of `accelerate launch` do: wait for the first one to train a model, if it does."""
    if recipe.adapt and processes.tell():
        scratch = ws.scratch("models/adapted", _reading(recipe, ws))
        _adapt(recipe, ws, scratch, scratch)
    if processes.tell():
        judged, made = _lesson(recipe, ws)
        scratch = ws.scratch("models/teacher", made)
        _train(recipe, ws, judged, scratch, scratch)


def _reading(recipe: Recipe, ws: Workspace) -> Made:
    """What the backbone is adapted to, and how."""
    asked = {k: v for k, v in vars(recipe.adapt).items() if k != "student"}
    return ws.made_from(["composed"], adapt=asked, backbone=recipe.teacher.backbone, seed=recipe.seed)


def _adapt(recipe: Recipe, ws: Workspace, out: Path, scratch: Path) -> None:
    assert recipe.adapt is not None  # `teach` leaves this out otherwise
    texts = ws.table("composed", ["text"]).column("text").to_pylist()
    backbone = assembly.located(recipe).teacher.backbone
    adapt.adapt(texts, backbone, recipe.adapt, recipe.seed, out, _checkpoints(scratch))


def _lesson(recipe: Recipe, ws: Workspace) -> tuple[dict[str, pa.Table], Made]:
    """What the teacher learns from, and what it is made from."""
    judged = {part: assembly.judged(ws, part) for part in ("train", "valid")}
    inputs = {f"{part} judgments": digest_of_rows(rows) for part, rows in judged.items()}
    if recipe.adapt:
        inputs["models/adapted"] = ws.digest("models/adapted")
    return judged, Made(inputs, ws.made_from([], teacher=recipe.teacher, seed=recipe.seed).settings)


def _train(recipe: Recipe, ws: Workspace, judged: dict[str, pa.Table], out: Path, scratch: Path) -> None:
    settings = assembly.adapted(recipe, ws).teacher
    with tracking.destination(ws.root / "tracking", recipe.name):
        teacher_training.train(judged, settings, recipe.seed, out, _checkpoints(scratch), recipe.tracking)


def _checkpoints(scratch: Path) -> Path:
    """Where a training leaves its checkpoints: each number of processes takes steps of its own."""
    folder = scratch / f"of-{processes.count()}"
    folder.mkdir(exist_ok=True)
    return folder


def label(run: Run) -> None:
    """Choose pairs from the log (without one, from the catalogue) and let the teacher grade them."""
    ws, recipe = run.ws, run.recipe
    way = ("rows_per_shard", "dollars_per_hour")  # change nothing about the pairs
    sampling = {k: v for k, v in vars(recipe.labels).items() if k not in way}
    inputs = ["impressions", "judgments", "heldout", "pins"] + ([] if ws.has("impressions") else ["index/lexical"])
    run.table(
        "pairs",
        ws.made_from(inputs, labels=sampling, seed=recipe.seed),
        lambda: {"00000": lambda: assembly.pairs_to_label(recipe, ws)},
    )
    made = ws.made_from(["pairs", "composed", "models/teacher"], rows=recipe.labels.rows_per_shard)
    run.table("soft_labels", made, lambda: labelling.soft_labels(recipe.labels, ws))


def distill(run: Run) -> None:
    """Train the student on the teacher's labels, on parts of them, and on human labels alone."""
    ws, recipe = run.ws, run.recipe
    run.table(
        "encoder_vectors",
        ws.made_from(["composed"], encoder=assembly.encoder(recipe, ws)),
        lambda: assembly.encoder_vectors(recipe, ws),
    )
    everything = functools.cache(lambda: assembly.lessons(recipe, ws))
    split = assembly.split(ws)
    for name, rows in assembly.curricula(recipe, ws).items():
        inputs = {"labels": digest_of_rows(rows), "signals/match": ws.digest("signals/match")}
        settings = ws.made_from([], student=recipe.student, seed=recipe.seed).settings
        made = Made({**inputs, "encoder_vectors": ws.digest("encoder_vectors")}, settings)

        def build(out: Path, scratch: Path, rows: pa.Table = rows) -> None:
            taught = everything()
            parts = {part: taught.examples(split.select(rows, part)) for part in ("train", "valid")}
            student_training.train(parts, taught, assembly.adapted(recipe, ws).student, recipe.seed, out, scratch)

        run.folder(f"models/{name}", made, build)


def index(run: Run) -> None:
    """Vectors of all Pins by the student, computed only where text or student changed, and the index over them."""
    ws, recipe = run.ws, run.recipe
    run.table("pin_vectors", ws.made_from(["composed", "models/student"]), lambda: assembly.pin_vectors(recipe, ws))
    made = ws.made_from(["pin_vectors"])
    run.folder("index/nearest", made, lambda out, scratch: nearest.build(ws.table("pin_vectors"), out))


def evaluate(run: Run) -> None:
    """Grade the held-out pairs with every grader, and measure them side by side."""
    ws, recipe = run.ws, run.recipe
    inputs = ["judgments", "heldout", "composed", "soft_labels", "signals/match", "encoder_vectors", "models/teacher"]
    made = ws.made_from([*inputs, *(f"models/{m}" for m in assembly.shares(recipe))], seed=recipe.seed)
    run.folder("evaluation/grades", made, lambda out, scratch: lineup.grade_heldout(recipe, ws, out))
    _attack(run, inputs)
    _judge(run)
    answers = [f"evaluation/{name}" for name in ("grades", "judge", "attacked", "judge_attacked")]
    made = ws.made_from([*answers, "impressions"], measure=recipe.measure, seed=recipe.seed)
    run.folder("evaluation/measures", made, lambda out, scratch: lineup.measure(recipe, ws, out))


def _attack(run: Run, inputs: list[str]) -> None:
    """The same graders on irrelevant pairs whose Pins try to look relevant."""
    ws, recipe = run.ws, run.recipe
    if not recipe.measure.attacked_pairs:
        run.forget("evaluation/attacked")
        return
    models = [f"models/{m}" for m in assembly.shares(recipe) if m not in lineup.measured_apart(recipe)]
    most, shipped = recipe.measure.attacked_pairs, attacks.digest()
    made = ws.made_from([*inputs, "pin_texts", *models], pairs=most, attacks=shipped, seed=recipe.seed)
    run.folder("evaluation/attacked", made, lambda out, scratch: attacking.grade(recipe, ws, out))


def _judge(run: Run) -> None:
    """The judge, last and apart: whatever becomes of it, the others' answers are there."""
    ws, recipe, judge = run.ws, run.recipe, run.recipe.judge
    if judge is None:
        run.forget("evaluation/judge")
    else:
        identity = judging.identity(recipe, judge)
        made = ws.made_from(["judgments", "heldout", "composed"], judge=identity)
        run.attempt("evaluation/judge", made, lambda out, scratch: judging.grade_heldout(recipe, judge, ws, out))
    if judge is None or not ws.has("evaluation/attacked") or not ws.has("evaluation/judge"):
        run.forget("evaluation/judge_attacked")
    else:
        made = ws.made_from(["evaluation/attacked"], judge=identity)
        run.attempt("evaluation/judge_attacked", made, lambda out, _: judging.grade_attacked(recipe, judge, ws, out))


def report(run: Run) -> None:
    """One page to be read by someone who was not there; also put at `report.html` in the workspace."""
    ws, recipe = run.ws, run.recipe
    problems = [*judging.failures(ws), *run.unfinished]
    made = ws.made_from(["evaluation/measures", "evaluation/grades"], measure=recipe.measure, problems=problems)
    seconds = _seconds(ws)
    run.folder("report/page", made, lambda out, scratch: lineup.write_report(recipe, ws, seconds, problems, out))
    shutil.copyfile(ws.folder("report/page") / "report.html", ws.root / "report.html")


STAGES: Mapping[str, Callable[[Run], None]] = {
    stage.__name__: stage for stage in (source, caption, enrich, teach, label, distill, index, evaluate, report)
}


def _inputs(recipe: Recipe) -> Inputs:
    """The input tables of a recipe; `InputError` where files, columns or the world's settings are wrong."""
    if recipe.world is None:
        return {
            name: (Made(inputs={"files": digest}), functools.partial(mapped.shards, recipe, name))
            for name, digest in mapped.digests(recipe).items()
        }
    made = Made(settings=json.loads(json.dumps({"world": vars(recipe.world), "seed": recipe.seed})))
    tables = generate.shards(recipe.world, recipe.seed)
    return {name: (made, functools.partial(dict, shards)) for name, shards in tables.items() if shards}


def _remember(ws: Workspace, stage: str, seconds: float) -> None:
    with open(ws.root / HISTORY, "a", encoding="utf-8") as history:
        history.write(json.dumps({"time": round(time.time()), "stage": stage, "seconds": seconds}) + "\n")


def _seconds(ws: Workspace) -> dict[str, float]:
    """How long each stage took when it last had something to do, in the order of the stages."""
    path = ws.root / HISTORY
    last: dict[str, float] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        with suppress(ValueError):  # a run that was killed, or filled the disk, may have left half a line
            entry = json.loads(line)
            last[entry["stage"]] = entry["seconds"]
    return {stage: last[stage] for stage in STAGES if stage in last}


def _say_what_is_missing(ws: Workspace) -> None:
    missing = [name for name in INPUTS if not ws.has(name) and name != "heldout"]
    if missing:
        say("missing", f"  [dim]no {', '.join(missing)}: what depends on them is left out[/]", tables=missing)
