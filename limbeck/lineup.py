"""The graders side by side: what each answers to the held-out pairs, what that is worth, and the report of it."""

import dataclasses
import functools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from limbeck import assembly, relevance
from limbeck.labels import pairs
from limbeck.measure import evaluate, report, trec
from limbeck.measure.ceiling import ceiling
from limbeck.measure.evaluation import Ceiling, Evaluation
from limbeck.measure.plots import CurvePoint
from limbeck.measure.sample import from_truth
from limbeck.records import PROBABILITIES
from limbeck.relevance import Grader
from limbeck.settings import Recipe
from limbeck.signals import match_index, text_match
from limbeck.student import encode
from limbeck.student.cosine import CosineGrader
from limbeck.student.grade import StudentGrader
from limbeck.teacher.grade import TeacherGrader
from limbeck.workspace import Workspace

EXAMPLES = 12
TRUTH = ("raters", *PROBABILITIES)
Curve = tuple[CurvePoint, ...]


def grade_heldout(recipe: Recipe, ws: Workspace, out: Path) -> None:
    """Write what every grader answers to the held-out pairs: one Parquet file each, in the rows' order."""
    truth = assembly.held_out(ws)
    truth_columns = truth.select(["query", "pin_id"])
    names = {}
    for number, (name, grader) in enumerate(graders(recipe, ws).items()):
        answers = relevance.to_columns(grader().grade(truth_columns))
        names[name] = f"{number}.parquet"
        table = pa.table({**{c: truth.column(c) for c in ("query", "pin_id")}, **answers})
        pq.write_table(table, out / names[name])
    (out / "graders.json").write_text(json.dumps(names, indent=1), encoding="utf-8")


def graders(recipe: Recipe, ws: Workspace) -> dict[str, Callable[[], Grader]]:
    """All graders that are measured side by side, each loaded when its turn comes."""
    match = match_index.open(ws.folder("signals/match"))
    base = encode.Vectors(ws.table("encoder_vectors"))
    human = assembly.judged(ws, "train")

    def student(name: str) -> Grader:
        folder = ws.folder(f"models/{name}")
        tower = encode.Encoder.of_student(folder)
        if recipe.student.tune == "projection":
            vectors = base.replaced(tower.project(base.matrix))
        else:
            composed = ws.table("composed", ["pin_id", "text"])
            composed = composed.filter(pc.is_in(composed.column("pin_id"), assembly.held_out(ws).column("pin_id")))
            vectors = encode.Vectors.of_texts(composed, tower)
        return StudentGrader(folder, match, vectors, name)

    fixed: dict[str, Callable[[], Grader]] = {
        "text match": lambda: text_match.fit(match, human),
        "cosine": lambda: CosineGrader(encode.Encoder.untuned(assembly.adapted(recipe, ws).student), base, human),
        "teacher": lambda: TeacherGrader(ws.folder("models/teacher"), ws.table("composed")),
    }
    return fixed | {name: functools.partial(student, name) for name in assembly.shares(recipe)}


def grades(ws: Workspace) -> dict[str, np.ndarray]:
    """What every grader answered to the held-out pairs, by its name."""
    folder = ws.folder("evaluation/grades")
    names = json.loads((folder / "graders.json").read_text(encoding="utf-8"))
    return {n: relevance.from_columns(pq.read_table(folder / file)) for n, file in names.items()}


def measure(recipe: Recipe, ws: Workspace, out: Path) -> None:
    """Write `evaluation.json`, TREC runs and qrels in `trec/`."""
    truth, answers = assembly.held_out(ws), grades(ws)
    if ws.has("impressions"):
        kinds = pairs.frequency(ws.shards("impressions"))
        found = [kinds.get(q, "unseen") for q in truth.column("query").to_pylist()]
        truth = truth.append_column("frequency", pa.array(found, pa.string()))
    parts = {name for name, share in assembly.shares(recipe).items() if 0 < share < 1}
    main = {name: answer for name, answer in answers.items() if name not in parts}
    evaluation = evaluate.evaluate(main, truth, recipe.measure, recipe.seed)
    if evaluation.ceiling is None:
        evaluation = dataclasses.replace(evaluation, ceiling=_human_ceiling(recipe, ws))
    (out / "evaluation.json").write_bytes(msgspec.json.format(msgspec.json.encode(evaluation)))
    (out / "curve.json").write_bytes(msgspec.json.format(msgspec.json.encode(_curve(recipe, ws, answers, truth))))
    (out / "trec").mkdir()
    trec.write(out / "trec", answers, truth)


def evaluation(ws: Workspace) -> Evaluation:
    """What the last evaluation measured."""
    return msgspec.json.decode((ws.folder("evaluation/measures") / "evaluation.json").read_bytes(), type=Evaluation)


def write_report(recipe: Recipe, ws: Workspace, seconds: Mapping[str, float], out: Path) -> None:
    """Write `report.html`. `seconds`: how long each stage took when it last had something to do."""
    measured, answers = evaluation(ws), grades(ws)
    contents = report.Contents(
        title=recipe.name,
        evaluation=measured,
        curve=msgspec.json.decode((ws.folder("evaluation/measures") / "curve.json").read_bytes(), type=Curve),
        curve_metric=measured.headline,
        examples_of="student",
        examples=tuple(_examples(ws, answers)),
        settings=msgspec.to_builtins({k: v for k, v in vars(recipe).items() if k not in ("folder", "tables")}),
        seconds=seconds,
    )
    (out / "report.html").write_text(report.render(contents), encoding="utf-8")


def _human_ceiling(recipe: Recipe, ws: Workspace) -> Ceiling | None:
    """How well raters agree with each other on the test queries, where the held-out labels are not by raters."""
    several = relevance.aggregate(assembly.split(ws).select(ws.table("judgments"), "test"))
    if not several.num_rows:
        return None
    return ceiling(from_truth(several), {}, recipe.measure.bootstrap, recipe.measure.confidence, recipe.seed)


def _curve(recipe: Recipe, ws: Workspace, answers: Mapping[str, np.ndarray], truth: pa.Table) -> Curve:
    """What each student reached, by the number of pairs it learnt from."""
    students = {name: answers[name] for name in assembly.shares(recipe)}
    settings = dataclasses.replace(recipe.measure, baseline="student")
    measured = evaluate.evaluate(students, truth.select(["query", "pin_id", *TRUTH]), settings, recipe.seed)
    points = []
    for name, rows in assembly.curricula(recipe, ws).items():
        reached = measured.grader(name).metrics[measured.headline]
        if reached.value is not None:
            label = "human labels" if name == "student-human" else "teacher labels"
            points.append(CurvePoint(rows.num_rows, label, reached.value, reached.low, reached.high))
    return tuple(points)


def _examples(ws: Workspace, answers: Mapping[str, np.ndarray]) -> Iterator[report.Example]:
    """The student's worst mistakes, with what the Pins say and show."""
    mistakes = evaluate.worst(answers, assembly.held_out(ws), "student", EXAMPLES)
    wanted = pa.array([m.pin_id for m in mistakes])
    texts = ws.table("pin_texts").filter(pc.is_in(ws.table("pin_texts", ["pin_id"]).column("pin_id"), wanted))
    said = {row.pop("pin_id"): row for row in texts.drop(["digest"]).to_pylist()}
    pins = ws.table("pins", ["pin_id", "image"])
    images = dict(zip(*(c.to_pylist() for c in pins.filter(pc.is_in(pins.column("pin_id"), wanted)).columns)))
    folder = ws.folder("images/pins") if ws.has("images/pins") else None
    for mistake in mistakes:
        words = {k: ", ".join(v) if isinstance(v, list) else v for k, v in said[mistake.pin_id].items()}
        image = images.get(mistake.pin_id)
        yield report.Example(mistake, words, folder / image if folder and image else None)
