"""The graders side by side: what each answers to the held-out pairs, what that is worth, and the report of it."""

import dataclasses
import functools
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from limbeck import assembly, relevance
from limbeck.labels import pairs
from limbeck.measure import attacks, evaluate, report, trec
from limbeck.measure.ceiling import ceiling
from limbeck.measure.evaluation import Ceiling, Evaluation
from limbeck.measure.plots import CurvePoint
from limbeck.measure.sample import from_truth
from limbeck.records import PROBABILITIES
from limbeck.relevance import Grader
from limbeck.settings import Recipe
from limbeck.signals import joined, text_match
from limbeck.signals.joined import Joined
from limbeck.signals.sage import Towers
from limbeck.signals.signal import Read
from limbeck.student import encode
from limbeck.student.cosine import CosineGrader
from limbeck.student.grade import StudentGrader
from limbeck.teacher.grade import TeacherGrader
from limbeck.workspace import Workspace

EXAMPLES = 12
REPRODUCTION = "reproduction.html"  # the page of the paper's tables, where `limbeck reproduce` has written it
TRUTH = ("raters", *PROBABILITIES)
Curve = tuple[CurvePoint, ...]
ABOUT = {
    "text match": "How well the query’s words are found in the Pin’s texts, without a language model.",
    "cosine": "How near the Pin’s text is to the query in the vectors of a language model as it came.",
    "SearchSAGE": "How near the Pin is to the query, as learnt from what people clicked and saved in the search log.",
    "teacher": "A language model that reads query and Pin together, trained on human labels; it labels more pairs.",
    "student": "What is served: reads query and Pin apart, and so Pins beforehand; it learnt from the teacher.",
    "student-human": "The same, trained on the human labels alone. The student’s lead is what the teacher added.",
    "judge": "A language model as it came, asked by guidelines.",
}
FlipRates = tuple[attacks.FlipRate, ...]


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """Pins as graders see them: composed texts (pin_id, text), features, vectors by the untuned backbone, a reader."""

    composed: pa.Table
    features: Joined
    base: encode.Vectors
    read: Read  # untuned vectors of queries


def catalogue(recipe: Recipe, ws: Workspace) -> Catalogue:
    """The workspace's own Pins; texts only of those that are measured on."""
    read = assembly.reader(recipe, ws)
    return Catalogue(_measured_texts(ws), joined.open(ws, read), encode.Vectors(ws.table("encoder_vectors")), read)


def _measured_texts(ws: Workspace) -> pa.Table:
    """The composed texts (pin_id, text) of the Pins that are measured on."""
    composed, measured = ws.table("composed", ["pin_id", "text"]), assembly.held_out(ws).column("pin_id")
    return composed.filter(pc.is_in(composed.column("pin_id"), measured))


def grade_heldout(recipe: Recipe, ws: Workspace, out: Path, names: Collection[str] | None = None) -> None:
    """Write what every grader answers to the held-out pairs, or those of these `names`.

    The teacher alone can be asked as soon as it is there, before anything is that students need.
    """
    if names is not None and set(names) <= {"teacher"}:
        by: Mapping[str, Callable[[], Grader]] = {"teacher": lambda: _teacher(ws, _measured_texts(ws))}
    else:
        own = catalogue(recipe, ws)
        every = graders(recipe, ws, own, own)
        by = every if names is None else {name: every[name] for name in names}
    write(assembly.held_out(ws).select(["query", "pin_id"]), by, out)


def _teacher(ws: Workspace, composed: pa.Table) -> Grader:
    return TeacherGrader(ws.folder("models/teacher"), composed)


def write(asked: pa.Table, by: Mapping[str, Callable[[], Grader]], out: Path) -> None:
    """What graders answer to the pairs `asked` (query, pin_id): one Parquet file each, in the rows' order."""
    names = {}
    for number, (name, grader) in enumerate(by.items()):
        answers = relevance.to_columns(grader().grade(asked))
        names[name] = f"{number}.parquet"
        table = pa.table({**{c: asked.column(c) for c in ("query", "pin_id")}, **answers})
        pq.write_table(table, out / names[name])
    (out / "graders.json").write_text(json.dumps(names, indent=1), encoding="utf-8")


def graders(recipe: Recipe, ws: Workspace, own: Catalogue, of: Catalogue) -> dict[str, Callable[[], Grader]]:
    """The graders that are measured side by side, of the Pins of `of`, each loaded when its turn comes.

    What is fitted, is fitted on the workspace's `own` Pins: `of` may be others, such as attacked ones.
    """
    human = assembly.judged(ws, "train")

    def student(name: str) -> Grader:
        folder = ws.folder(f"models/{name}")
        tower = encode.Encoder.of_student(folder)
        if recipe.student.tune == "projection":
            vectors = of.base.replaced(tower.project(of.base.matrix))
        else:
            vectors = encode.Vectors.of_texts(of.composed, tower)
        return StudentGrader(folder, of.features, vectors, name)

    def cosine() -> Grader:
        return CosineGrader(own.read, own.base, human).over(of.base)

    def searchsage() -> Grader:
        towers = Towers.load(ws.folder("signals/searchsage"))
        of_own, of_others = (c.base.replaced(towers.pins(c.base.matrix)) for c in (own, of))
        return CosineGrader(lambda q: towers.queries(own.read(q)), of_own, human, "SearchSAGE").over(of_others)

    fixed: dict[str, Callable[[], Grader]] = {
        "text match": lambda: text_match.fit(own.features.match, human).over(of.features.match),
        "cosine": cosine,
        **({"SearchSAGE": searchsage} if ws.has("signals/searchsage") else {}),
        "teacher": lambda: _teacher(ws, of.composed),
    }
    return fixed | {name: functools.partial(student, name) for name in assembly.shares(recipe)}


def grades(ws: Workspace, pairs: str = "grades", judge: str = "judge") -> dict[str, np.ndarray]:
    """What every grader answered, by its name: to the held-out pairs, or to those that `attacked` names."""
    found: dict[str, np.ndarray] = {}
    for name in filter(ws.has, (f"evaluation/{pairs}", f"evaluation/{judge}")):
        folder = ws.folder(name)
        files = json.loads((folder / "graders.json").read_text(encoding="utf-8"))
        found |= {n: relevance.from_columns(pq.read_table(folder / file)) for n, file in files.items()}
    return found


def measured_apart(recipe: Recipe) -> set[str]:
    """The students that only stand on the learning curve."""
    return {name for name, share in assembly.shares(recipe).items() if 0 < share < 1}


def measure(recipe: Recipe, ws: Workspace, out: Path) -> None:
    """Write `evaluation.json`, TREC runs and qrels in `trec/`."""
    truth, answers = assembly.held_out(ws), grades(ws)
    if ws.has("impressions"):
        kinds = pairs.frequency(ws.shards("impressions"))
        found = [kinds.get(q, "unseen") for q in truth.column("query").to_pylist()]
        truth = truth.append_column("frequency", pa.array(found, pa.string()))
    main = {name: answer for name, answer in answers.items() if name not in measured_apart(recipe)}
    evaluation = evaluate.evaluate(main, truth, recipe.measure, recipe.seed)
    if evaluation.ceiling is None:
        evaluation = dataclasses.replace(evaluation, ceiling=_human_ceiling(recipe, ws))
    (out / "evaluation.json").write_bytes(msgspec.json.format(msgspec.json.encode(evaluation)))
    (out / "curve.json").write_bytes(msgspec.json.format(msgspec.json.encode(_curve(recipe, ws, answers, truth))))
    (out / "attacks.json").write_bytes(msgspec.json.format(msgspec.json.encode(_flip_rates(recipe, ws))))
    (out / "trec").mkdir()
    trec.write(out / "trec", answers, truth)


def _flip_rates(recipe: Recipe, ws: Workspace) -> FlipRates:
    """How often attacked Pins deceive each grader; none where no Pins were attacked."""
    if not ws.has("evaluation/attacked"):
        return ()
    asked = pq.read_table(ws.folder("evaluation/attacked") / "asked.parquet")
    return attacks.flip_rates(grades(ws, "attacked", "judge_attacked"), asked, recipe.measure, recipe.seed)


def evaluation(ws: Workspace) -> Evaluation:
    """What the last evaluation measured."""
    return msgspec.json.decode((ws.folder("evaluation/measures") / "evaluation.json").read_bytes(), type=Evaluation)


def beside(ws: Workspace) -> dict[str, str]:
    """Pages that lie beside the report and are of the same grades, by their titles."""
    tables = (f"reproduction/{path.stem}" for path in ws.root.glob("reproduction/table-*.json"))
    now = ws.digest("evaluation/grades")
    of_this_run = any(ws.manifest(table).made.inputs.get("evaluation/grades") == now for table in tables)
    return {"The paper’s tables": REPRODUCTION} if of_this_run and (ws.root / REPRODUCTION).exists() else {}


def write_report(
    recipe: Recipe, ws: Workspace, seconds: Mapping[str, float], problems: Sequence[str], out: Path
) -> None:
    """Write `report.html`. `seconds`: how long each stage took when it last had something to do."""
    measured, answers, folder = evaluation(ws), grades(ws), ws.folder("evaluation/measures")
    contents = report.Contents(
        title=recipe.name,
        evaluation=measured,
        curve=msgspec.json.decode((folder / "curve.json").read_bytes(), type=Curve),
        curve_metric=measured.headline,
        flip_rates=msgspec.json.decode((folder / "attacks.json").read_bytes(), type=FlipRates),
        about=ABOUT,
        examples_of="student",
        examples=tuple(_examples(ws, answers)),
        problems=tuple(problems),
        settings=msgspec.to_builtins({k: v for k, v in vars(recipe).items() if k not in ("folder", "tables")}),
        seconds=seconds,
        beside=beside(ws),
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
