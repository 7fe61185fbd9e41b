"""The stages in order, one short function each: read tables, call the package, write tables.

    source ─► caption ─► enrich ─► teach ─► label ─► distill ─► index ─► evaluate ─► report

Every stage says what it would make and from what (`Made`); the workspace answers whether that is there already. A run
therefore does only what is out of date, and says why. What a stage needs from several packages at once is put together
in `assembly.py`; how it makes only what is out of date, in `making.py`.
"""

import dataclasses
import functools
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from limbeck import (
    assembly,
    attacking,
    composing,
    history,
    judging,
    labelling,
    lineup,
    problems,
    processes,
    recalling,
    seeing,
    teaching,
)
from limbeck.captions import run as captioning
from limbeck.errors import InputError
from limbeck.index import alignment, boards, catalogue, lexical, nearest, onnx, shares, texts, understanding
from limbeck.inputs import input_tables
from limbeck.making import Run
from limbeck.measure import attacks
from limbeck.progress import say
from limbeck.records import INPUTS
from limbeck.settings import Recipe
from limbeck.signals import engagement, exposures, interests, joined, match_index, pinsage_training, searchsage
from limbeck.signals.signal import Read
from limbeck.sources import check, paths
from limbeck.sources.world import generate
from limbeck.student import train as student_training
from limbeck.text import gather
from limbeck.workspace import Made, Workspace, digest_of_rows

Stages = Mapping[str, Callable[[Run], None]]
EVIDENCE = ("pins", "boards", "saves", "links", "impressions", "captions", "generated_captions")


def run(recipe: Recipe, ws: Workspace, until: str = "report") -> list[str]:
    """Bring everything up to and including the stage `until` up to date. Wrong input is refused before any writing.

    What others failed to give, and the run went on without, is returned in words.
    """
    if processes.count() > 1 and until != "teach":
        remedy = "Launch `limbeck teach` with several, then run the rest without"
        raise InputError(f"several processes serve to train the teacher, not for `{until}`", remedy=remedy)
    tables = input_tables(recipe, ws.root)
    assembly.required(recipe)
    seeing.check(recipe)
    if not processes.leads():
        teaching.train_along(recipe, ws)
        return []
    judging.check(recipe, until in ("evaluate", "report") and not ws.has("evaluation/judge"))
    wanted = list(STAGES)[: list(STAGES).index(until) + 1]
    return _through({name: STAGES[name] for name in wanted}, Run(recipe, ws, tables))


def refresh(recipe: Recipe, ws: Workspace) -> None:
    """Bring what is searched up to date with the tables as they are now, by the models as they were trained.

    Nothing learns: a Pin that is new, or says something new, is read by the student there is.
    `InputError` where there is none.
    """
    _check_kept(recipe, ws)
    tables = input_tables(recipe, ws.root)
    seeing.check(recipe)
    _through(REFRESHED, Run(recipe, ws, tables, keep=True))


def _check_kept(recipe: Recipe, ws: Workspace) -> None:
    """`InputError` where there is no student, or one that was trained by other settings than the recipe's."""
    remedy = "Train one first: `limbeck run RECIPE`"
    if not ws.has("models/student"):
        raise InputError(f"{ws.root} holds no student to keep", remedy=remedy)
    trained = {"student": ws.manifest("models/student").made.settings.get("student")}
    if changed := Made(settings={"student": recipe.student}).difference(Made(settings=trained)):
        raise InputError(f"the student that is to be kept was trained otherwise: {changed}", remedy=remedy)


def _through(stages: Stages, run: Run) -> list[str]:
    """The stages in their order; what the run went on without, in words."""
    ws, recipe = run.ws, run.recipe
    new = (name for name, (made, _) in run.inputs.items() if ws.outdated(name, made) and not ws.lent(name, made))
    if recipe.world is None and any(new):
        check.check(recipe)
    with ws.writing():
        for name, stage in stages.items():
            if name != "caption" or recipe.captions is not None:
                _timed(name, stage, dataclasses.replace(run, made=[]))
    return run.unfinished


def _timed(name: str, stage: Callable[[Run], None], run: Run) -> None:
    begun = time.monotonic()
    say("stage", f"[bold cyan]{name}[/]", stage=name)
    stage(run)
    seconds = round(time.monotonic() - begun, 1)
    say("done", f"  [dim]{seconds:.1f} s[/]", stage=name, seconds=seconds, made=run.made)
    if run.made and not run.keep:
        history.remember(run.ws, name, seconds)


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
    folder, model = paths.pictures(run.recipe, ws), assembly.captioner(run.recipe)
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
    ws, text = run.ws, run.recipe.text
    files = {name: ws.shards(name) for name in EVIDENCE if ws.has(name)}
    gathering = {k: v for k, v in vars(text).items() if k not in composing.RENDERING}
    made = ws.made_from(EVIDENCE, text=gathering)
    run.folder("evidence/parts", made, lambda out, scratch: gather.prepare(files, text, out, scratch))
    prepared = ws.folder("evidence/parts")
    buckets = {f"{n:05d}": functools.partial(gather.bucket, files, prepared, text, n) for n in range(text.buckets)}
    run.table("pin_texts", made, lambda: buckets)
    composing.compose(run)
    made = ws.made_from(["pin_texts"], version=match_index.VERSION)
    before = ws.earlier("signals/match", made)
    run.folder("signals/match", made, lambda out, _: match_index.build(assembly.batches(ws, "pin_texts"), out, before))
    made = ws.made_from(["pin_texts"])
    run.folder("index/lexical", made, lambda out, scratch: lexical.build(assembly.batches(ws, "pin_texts"), out))
    run.folder("index/texts", made, lambda out, scratch: texts.build(assembly.batches(ws, "pin_texts"), out))
    made = ws.made_from(["pin_texts", "pins", "impressions"], version=understanding.VERSION)
    batches, log = functools.partial(assembly.batches, ws), ws.shards("impressions") if ws.has("impressions") else []
    run.folder(understanding.NAME, made, lambda out, scratch: understanding.build(batches, log, out))
    _boards(run)


def _boards(run: Run) -> None:
    """Which boards Pins are on, where the tables say so: for pages alone."""
    ws, tables = run.ws, ("pins", "boards", "saves")
    if not all(map(ws.has, tables)):
        run.forget(boards.NAME)
        return

    def build(out: Path, scratch: Path) -> None:
        boards.build(ws.table("pins", ["pin_id"]), ws.table("boards"), ws.shards("saves"), out)

    run.folder(boards.NAME, ws.made_from(tables), build)


def teach(run: Run) -> None:
    """Fine-tune the teacher on the human levels of the training queries, its backbone adapted first where asked."""
    ws, recipe = run.ws, run.recipe
    if recipe.adapt:
        made = teaching.reading(recipe, ws)
        teaching.together(run, "models/adapted", made, functools.partial(teaching.adapt, recipe, ws))
    else:
        run.forget("models/adapted")
    judged, made = teaching.lesson(recipe, ws)
    teaching.together(run, "models/teacher", made, functools.partial(teaching.train, recipe, ws, judged))


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
    read = assembly.reader(recipe, ws)
    signals(run, read)
    recalling.recall(run, read)
    curricula, split = assembly.curricula(recipe, ws), assembly.split(ws)
    everything = functools.cache(lambda: assembly.lessons(recipe, ws, list(curricula.values()), read))
    for name, rows in curricula.items():
        told = ("signals/match", *filter(ws.has, joined.OPTIONAL), *(["logged"] if assembly.has_logged(ws) else []))
        inputs = {"labels": digest_of_rows(rows), **{signal: ws.digest(signal) for signal in told}}
        asked = {"student": recipe.student, "seed": recipe.seed, **assembly.left_out(recipe)}
        settings = ws.made_from([], **asked).settings
        made = Made({**inputs, "encoder_vectors": ws.digest("encoder_vectors")}, settings)

        def build(out: Path, scratch: Path, rows: pa.Table = rows) -> None:
            taught = everything()
            chosen = {part: split.select(rows, part) for part in ("train", "valid")}
            parts = {part: taught.examples(pairs, scratch / f"{part}.npy") for part, pairs in chosen.items()}
            student_training.train(parts, taught, assembly.adapted(recipe, ws).student, recipe.seed, out, scratch)

        run.folder(f"models/{name}", made, build)


def signals(run: Run, read: Read) -> None:
    """What the student is told besides match features: untuned vectors, and all that there are tables for.

    `read` gives untuned vectors of queries.
    """
    ws, recipe, asked = run.ws, run.recipe, run.recipe.signals
    made = ws.made_from(["composed"], encoder=assembly.encoder(recipe, ws))
    run.table("encoder_vectors", made, lambda: assembly.encoder_vectors(recipe, ws))
    logged = ws.has("impressions")
    wanted = {"signals/engagement": asked.engagement and logged, "signals/searchsage": asked.searchsage and logged}
    wanted |= {"signals/interests": asked.interests, "signals/pinsage": asked.pinsage and ws.has("saves")}
    counted = any(wanted[n] for n in wanted if n != "signals/pinsage" or asked.pinsage_queries)
    wanted |= {"exposures": logged and counted}
    for name in (n for n in wanted if not wanted[n]):
        run.forget(name)
    if wanted["exposures"]:
        made = ws.made_from(["impressions"], version=exposures.VERSION)
        run.table("exposures", made, lambda: exposures.shards(ws.shards("impressions")))
    if wanted["signals/engagement"]:
        days = asked.window_days
        made = ws.made_from(["exposures"], version=engagement.VERSION, window_days=days)
        run.folder("signals/engagement", made, lambda out, _: engagement.build(ws.shards("exposures"), days, out))
    if wanted["signals/searchsage"]:
        inputs, tune = ["exposures", "encoder_vectors", "heldout"], recipe.student.tune
        made = ws.made_from(inputs, version=searchsage.VERSION, tune=tune, seed=recipe.seed)
        anew = functools.partial(assembly.searchsage_vectors, ws)
        run.learnt("signals/searchsage", made, lambda out, _: assembly.searchsage(recipe, ws, read, out), anew)
    if wanted["signals/pinsage"]:
        _pinsage(run)
    if wanted["signals/interests"]:
        inputs, tune = ["interests", "exposures", "encoder_vectors", "heldout"], recipe.student.tune
        made = ws.made_from(inputs, version=interests.VERSION, tune=tune, seed=recipe.seed)
        run.learnt("signals/interests", made, lambda out, _: assembly.classes(recipe, ws, read, out))
    seeing.see(run)


def _pinsage(run: Run) -> None:
    ws, recipe = run.ws, run.recipe
    inputs = ["saves", "encoder_vectors", *(["exposures", "heldout"] if recipe.signals.pinsage_queries else [])]
    made = ws.made_from(inputs, version=pinsage_training.VERSION, tune=recipe.student.tune, seed=recipe.seed)
    anew = functools.partial(assembly.pinsage_vectors, recipe, ws)
    run.learnt("signals/pinsage", made, lambda out, scratch: assembly.pinsage(recipe, ws, out, scratch), anew)


def index(run: Run) -> None:
    """Vectors of all Pins by the student, computed only where text or student changed, and the index over them."""
    ws, recipe = run.ws, run.recipe
    run.table("pin_vectors", ws.made_from(["composed", "models/student"]), lambda: assembly.pin_vectors(recipe, ws))
    bits, tower_bits = recipe.index.bits, recipe.index.tower_bits
    made = ws.made_from(onnx.made_of(ws), version=onnx.VERSION, tower_bits=tower_bits)
    run.folder("index/onnx", made, lambda out, _: onnx.build(ws, out, tower_bits))
    made = ws.made_from(shares.MADE_OF, version=shares.VERSION, bits=bits)
    run.folder("index/shares", made, lambda out, _: shares.build(ws, assembly.reader(recipe, ws), bits, out))
    made = ws.made_from(["pin_vectors"])
    cells = ws.earlier("index/nearest", made)
    run.folder("index/nearest", made, lambda out, _: nearest.build(ws.table("pin_vectors"), out, cells))
    made = ws.made_from(["pin_vectors", "pins"], version=catalogue.VERSION)
    run.folder("index/catalogue", made, lambda out, scratch: _catalogue(ws, out))
    made = ws.made_from(alignment.MADE_OF, version=alignment.VERSION)
    run.folder(alignment.NAME, made, lambda out, scratch: alignment.build(ws, out))


def _catalogue(ws: Workspace, out: Path) -> None:
    catalogue.build(ws.table("pin_vectors"), ws.table("pins", catalogue.SHOWN), out)


def evaluate(run: Run) -> None:
    """Grade the held-out pairs with every grader, and measure them side by side."""
    ws, recipe = run.ws, run.recipe
    inputs = ["judgments", "heldout", "composed", "soft_labels", "signals/match", "encoder_vectors", "models/teacher"]
    inputs += filter(ws.has, joined.OPTIONAL)
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
    run.folder("evidence/problems", ws.made_from(problems.READ), lambda out, scratch: problems.write(ws, out))
    found = [*problems.read(ws.folder("evidence/problems")), *judging.failures(ws), *run.unfinished]
    asked: dict[str, Any] = {"measure": recipe.measure, "problems": found}
    if pages := lineup.beside(ws):
        asked["beside"] = pages
    made = ws.made_from(["evaluation/measures", "evaluation/grades"], **asked)
    seconds = history.seconds(ws, STAGES)
    run.folder("report/page", made, lambda out, scratch: lineup.write_report(recipe, ws, seconds, found, out))
    shutil.copyfile(ws.folder("report/page") / "report.html", ws.root / "report.html")


STAGES: Stages = {
    stage.__name__: stage for stage in (source, caption, enrich, teach, label, distill, index, evaluate, report)
}
REFRESHED: Stages = {
    "source": source,
    "caption": caption,
    "enrich": enrich,
    "signals": lambda run: signals(run, assembly.reader(run.recipe, run.ws)),
    "index": index,
}


def _say_what_is_missing(ws: Workspace) -> None:
    missing = [name for name in INPUTS if not ws.has(name) and name not in ("heldout", "interests")]
    if missing:
        say("missing", f"  [dim]no {', '.join(missing)}: what depends on them is left out[/]", tables=missing)
