"""What a stage needs from several packages at once: joins of tables, students' curricula, graders side by side."""

import dataclasses
import functools
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from limbeck import backbone, relevance, tracking
from limbeck.captions.identity import identity
from limbeck.errors import InputError
from limbeck.index import lexical
from limbeck.labels import mix, pairs
from limbeck.progress import say
from limbeck.records import MICROSECONDS_PER_DAY, PROBABILITIES
from limbeck.relevance import Split
from limbeck.remembered import Remembered
from limbeck.settings import Captions, Recipe
from limbeck.signals import engagement, interests_training, joined, logged, match, pin_content, pinsage_training
from limbeck.signals import searchsage as sage
from limbeck.signals.signal import Read
from limbeck.student import encode
from limbeck.student.grade import Features
from limbeck.student.lessons import Lessons
from limbeck.teacher import adapt, adapters
from limbeck.workspace import Workspace, digest_of

Shards = Mapping[str, Callable[[], pa.Table]]
ROWS_PER_BATCH = 50_000
ROWS_PER_SHARD = 16_384
READINGS = 200_000  # queries whose untuned vectors are held in memory


def judged(ws: Workspace, part: str) -> pa.Table:
    """Human judgments of one part of the queries, aggregated over raters, with the Pins' composed texts."""
    rows = relevance.aggregate(split(ws).select(ws.table("judgments"), part))
    texts = ws.table("composed", ["pin_id", "text"])
    known = rows.filter(pc.is_in(rows.column("pin_id"), texts.column("pin_id")))
    if known.num_rows < rows.num_rows:
        lost = rows.num_rows - known.num_rows
        say("dangling", f"  [yellow]{lost:,} judged pairs name Pins that are not there; left out[/]", pairs=lost)
    joined = known.join(texts, "pin_id").sort_by([("query", "ascending"), ("pin_id", "ascending")])
    return joined.select([*rows.column_names, "text"])


def held_out(ws: Workspace) -> pa.Table:
    """The pairs that are measured on: the heldout table where there is one, else judgments of the test queries."""
    rows = ws.table("heldout") if ws.has("heldout") else split(ws).select(ws.table("judgments"), "test")
    rows = relevance.aggregate(rows)
    return rows.filter(pc.is_in(rows.column("pin_id"), ws.table("composed", ["pin_id"]).column("pin_id")))


def split(ws: Workspace) -> Split:
    """Which queries train, validate and test in this workspace."""
    return Split(ws.table("heldout", ["query"]))


def batches(ws: Workspace, name: str) -> Iterator[pa.Table]:
    """A table in pieces that fit into memory."""
    for path in ws.shards(name):
        for batch in pq.ParquetFile(path).iter_batches(ROWS_PER_BATCH):
            yield pa.Table.from_batches([batch])


def located(recipe: Recipe) -> Recipe:
    """The recipe with its backbones' names replaced by where they are found: what is loaded, not what is recorded."""
    if recipe.adapt and recipe.adapt.student and recipe.student.backbone != recipe.teacher.backbone:
        what = f"adapt.student is true, but the student's backbone is not the teacher's, {recipe.teacher.backbone}"
        raise InputError(what, remedy="Give both the same, or set adapt.student = false")
    teacher, student = (
        backbone.find(name, recipe.folder) for name in (recipe.teacher.backbone, recipe.student.backbone)
    )
    if recipe.captions:
        backbone.find(recipe.captions.model, recipe.folder)
    return dataclasses.replace(
        recipe,
        teacher=dataclasses.replace(recipe.teacher, backbone=teacher),
        student=dataclasses.replace(recipe.student, backbone=student),
    )


def adapted(recipe: Recipe, ws: Workspace) -> Recipe:
    """As `located`, but models begin from the backbone that was adapted to the catalogue, where the recipe asks it."""
    found = located(recipe)
    if recipe.adapt is None:
        return found
    folder = str(ws.folder("models/adapted"))
    student = dataclasses.replace(found.student, backbone=folder) if recipe.adapt.student else found.student
    return dataclasses.replace(found, teacher=dataclasses.replace(found.teacher, backbone=folder), student=student)


def captioner(recipe: Recipe) -> tuple[str, str]:
    """The captioning model's name in the tables, which covers its weights and prompt, and where it is found."""
    settings = recipe.captions or Captions()
    found = backbone.find(settings.model, recipe.folder)
    return identity(settings, found), found


def required(recipe: Recipe) -> None:
    """`InputError` where a model, a package or a device that the recipe needs is not there."""
    found = located(recipe)
    if recipe.adapt:
        adapt.check(found.teacher.backbone)
    adapters.require(recipe.teacher.lora)
    tracking.require(recipe.tracking)


def counting_tokenizer(recipe: Recipe) -> Tokenizer:
    """The teacher's tokenizer, to count the tokens of whole texts."""
    tokenizer = AutoTokenizer.from_pretrained(located(recipe).teacher.backbone, trust_remote_code=False)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer.backend_tokenizer


def pairs_to_label(recipe: Recipe, ws: Workspace) -> pa.Table:
    """Pairs of the log, or mined from the catalogue, and those that people judged; never of a test query."""
    settings, seed = recipe.labels, recipe.seed
    parts, judgments = split(ws), ws.table("judgments")

    def allowed(query: str) -> bool:
        return parts.of(query) != "test"

    if ws.has("impressions"):
        people = judgments.filter(pa.array([allowed(q) for q in judgments.column("query").to_pylist()], pa.bool_()))
        wanted = settings.per_human_label * people.group_by(["query", "pin_id"]).aggregate([]).num_rows
        chosen = pairs.from_log(ws.shards("impressions"), wanted, settings, seed, allowed)
    else:
        asked = judgments.group_by("query").aggregate([("language", "min"), ("country", "min")])
        queries = sorted(zip(*(asked.column(c).to_pylist() for c in ("query", "language_min", "country_min"))), key=str)
        found = lexical.open(ws.folder("index/lexical"))

        def search(query: str, k: int) -> list[str]:
            return [pin for pin, _ in found.search(query, k)]

        pins = ws.table("composed", ["pin_id"]).column("pin_id").to_pylist()
        chosen = pairs.from_catalogue([q for q in queries if allowed(q[0])], search, pins, settings, seed)
    return pairs.with_judged(chosen, judgments, allowed)


def encoder(recipe: Recipe, ws: Workspace) -> dict[str, Any]:
    """What the untuned vectors depend on besides the texts."""
    named = {"backbone": recipe.student.backbone, "max_tokens": recipe.student.max_tokens}
    if recipe.adapt and recipe.adapt.student:
        return named | {"adapted": ws.digest("models/adapted")}
    return named


def encoder_vectors(recipe: Recipe, ws: Workspace) -> Shards:
    """Vectors of all Pins by the backbone as it comes."""
    tower = encode.Encoder.untuned(adapted(recipe, ws).student)
    return _vectors(ws, "encoder_vectors", str(encoder(recipe, ws)), lambda rows: tower.encode(_texts(rows)))


def searchsage(recipe: Recipe, ws: Workspace, read: Read, out: Path) -> None:
    """SearchSAGE from what the log says of training queries; beside it the encoder, where the student tunes its own."""
    pins = encode.Vectors(ws.table("encoder_vectors"))
    sage.build(_engaged(ws), pins.pin_ids, pins.matrix, read, recipe.seed, out)
    if recipe.student.tune == "all":
        encode.save_untuned(adapted(recipe, ws).student, out)


def searchsage_vectors(ws: Workspace, learnt: Path, out: Path) -> None:
    """SearchSAGE as it was learnt into a folder, with the vectors of the Pins as they are now."""
    pins = encode.Vectors(ws.table("encoder_vectors"))
    sage.renew(learnt, pins.pin_ids, pins.matrix, out)
    encode.keep_untuned(learnt, out)


def pinsage_vectors(recipe: Recipe, ws: Workspace, learnt: Path, out: Path) -> None:
    """PinSAGE as it was learnt into a folder, with the vectors of the Pins on the boards as they are now."""
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        content, pin_ids = _pin_content(recipe, ws, Path(scratch))
        pinsage_training.renew(learnt, content, pin_ids, recipe.seed, out)
    encode.keep_untuned(learnt, out)


def pinsage(recipe: Recipe, ws: Workspace, out: Path, scratch: Path) -> None:
    """PinSAGE from all saves, and from what training queries were engaged with, where the recipe asks for it."""
    content, pin_ids = _pin_content(recipe, ws, scratch)
    pinsage_training.build(content, pin_ids, recipe.seed, out)
    if recipe.student.tune == "all":
        encode.save_untuned(adapted(recipe, ws).student, out)


def _pin_content(recipe: Recipe, ws: Workspace, scratch: Path) -> tuple[pin_content.Content, pa.Array]:
    """What PinSAGE reads, and of which Pins."""
    engaged = _engaged(ws) if recipe.signals.pinsage_queries else None
    pin_ids, base = pin_content.halved(ws.shards("encoder_vectors"), scratch / "content.npy")
    return pin_content.Content(base, pin_content.graph(ws.shards("saves"), pin_ids, engaged)), pin_ids


def classes(recipe: Recipe, ws: Workspace, read: Read, out: Path) -> None:
    """Interests, from what the user's table says, and the log of training queries."""
    pins, evidence = (
        encode.Vectors(ws.table("encoder_vectors")),
        interests_training.Evidence(ws.table("interests"), _engaged(ws)),
    )
    summary = interests_training.build(evidence, pins.pin_ids, pins.matrix, read, recipe.seed, out)
    say("interests", f"  {summary.wording}", source=summary.source, accuracy=msgspec.to_builtins(summary.accuracy))
    if recipe.student.tune == "all":
        encode.save_untuned(adapted(recipe, ws).student, out)


def _engaged(ws: Workspace) -> pa.Table:
    """What people acted on for training queries: query, pin_id, weight; nothing where there is no log."""
    parts = split(ws)
    files = ws.shards("exposures") if ws.has("exposures") else []
    return sage.engaged(files, lambda query: parts.of(query) == "train")


def pin_vectors(recipe: Recipe, ws: Workspace) -> Shards:
    """By the student's own tower; where only its projection was trained, from the untuned vectors."""
    tower = encode.Encoder.of_student(ws.folder("models/student"))
    if recipe.student.tune == "all":
        return _vectors(ws, "pin_vectors", ws.digest("models/student"), lambda rows: tower.encode(_texts(rows)))
    base = encode.Vectors(ws.table("encoder_vectors"))

    def project(rows: pa.Table) -> np.ndarray:
        return tower.project(base.of(rows.column("pin_id").to_pylist()))

    return _vectors(ws, "pin_vectors", ws.digest("models/student"), project)


def _vectors(ws: Workspace, name: str, reader: str, vectors_of: Callable[[pa.Table], np.ndarray]) -> Shards:
    """Shards of vectors of the composed texts; their digests cover the encoder that reads the texts."""
    texts = ws.table("composed")
    digests = [digest_of(reader, d) for d in texts.column("digest").to_pylist()]
    texts = texts.set_column(texts.column_names.index("digest"), "digest", pa.array(digests, pa.string()))
    return encode.shards(texts, vectors_of, ws.previous(name), ROWS_PER_SHARD)


def _texts(rows: pa.Table) -> list[str]:
    return rows.column("text").to_pylist()


def shares(recipe: Recipe) -> dict[str, float]:
    """The students of a run, by the share of the soft labels they learn from; zero: from human labels alone."""
    parts = {f"student-{round(100 * share)}": share for share in recipe.measure.learning_curve}
    return {"student": 1.0, "student-human": 0.0, **parts}


def curricula(recipe: Recipe, ws: Workspace) -> dict[str, pa.Table]:
    """What each student learns from: query, pin_id, p1…p5, and a weight where the recipe asks for it.

    One that learns from a share of the soft labels learns all that people said, unless their labels have no weight.
    """
    columns = ["query", "pin_id", *PROBABILITIES]
    soft = ws.table("soft_labels", columns)
    human = pa.concat_tables([judged(ws, part).select(columns) for part in ("train", "valid")])
    always = np.zeros(soft.num_rows, bool)
    if recipe.student.human_weight:
        soft, always = mix.mixed(soft, human, recipe.student.human_weight), mix.judged(soft, human)
    if recipe.student.weighted:
        soft = mix.weighed(soft, ws.table("pairs", ["query", "pin_id", "weight"]))
    asked, drawn = shares(recipe), np.zeros(soft.num_rows)
    if not set(asked.values()) <= {0.0, 1.0}:
        keys = zip(*(soft.column(c).to_pylist() for c in columns[:2]))
        drawn = np.where(always, 0, np.fromiter((int(digest_of(q, p), 16) / 16**16 for q, p in keys), np.float64))

    def taught(share: float) -> pa.Table:
        keep = drawn < share
        rows = soft if keep.all() else soft.filter(pa.array(keep))
        return mix.emphasised(rows, always[keep], recipe.student.human_share) if recipe.student.human_share else rows

    return {name: taught(share) if share else human for name, share in asked.items()}


def reader(recipe: Recipe, ws: Workspace) -> Remembered:
    """Untuned vectors of queries, each text read once; the backbone is loaded when it is first needed."""
    encoder = functools.cache(lambda: encode.Encoder.untuned(adapted(recipe, ws).student, exact=True))
    return Remembered(lambda texts: encoder().read(texts, "queries"), READINGS)


def left_out(recipe: Recipe) -> dict[str, Any]:
    """What a student depends on where the recipe leaves match features out."""
    return {"without": recipe.signals.without} if recipe.signals.without else {}


def dated(ws: Workspace, rows: Sequence[pa.Table]) -> pa.Table:
    """The distinct pairs of some tables (query, pin_id, day): days are those of the first judgments (since 1970, UTC).

    Pairs that nobody judged, or nobody knows when, are of no day: for them the search log alone says.
    """
    keys, plain = ["query", "pin_id"], pa.schema([("query", pa.string()), ("pin_id", pa.string())])
    judged = ws.table("judgments", [*keys, "judged_at"]).group_by(keys).aggregate([("judged_at", "min")])
    found = pa.concat_tables(part.select(keys).cast(plain) for part in rows).group_by(keys).aggregate([])
    found = found.join(judged, keys, join_type="left outer")
    day = pc.divide(found.column("judged_at_min").cast(pa.int64()), MICROSECONDS_PER_DAY)
    return found.select(keys).append_column("day", pc.fill_null(day, engagement.END).cast(pa.int32()))


def has_logged(ws: Workspace) -> bool:
    """Whether the service's feature log said anything of the pairs to learn from."""
    return ws.has("logged") and ws.manifest("logged").rows > 0


def features(ws: Workspace, read: Read, learnt: Sequence[pa.Table]) -> Features:
    """The features of the pairs of some tables: those that the service logged, the others computed."""
    past = dated(ws, learnt)
    if not has_logged(ws):
        return joined.open(ws, read, past)
    known = ws.table("logged")
    counted = known.filter(logged.holds(known, "engagement")).select(["query", "pin_id"])
    return logged.Logged(joined.open(ws, read, past.join(counted, ["query", "pin_id"], join_type="left anti")), known)


def lessons(recipe: Recipe, ws: Workspace, learnt: Sequence[pa.Table], read: Read) -> Lessons:
    """What the run's students learn from, each a table, laid out once; `read` gives untuned vectors of queries."""
    return Lessons(
        learnt,
        ws.table("composed", ["pin_id", "text"]),
        features(ws, read, learnt),
        read,
        encode.Vectors(ws.table("encoder_vectors")),
        [name for family in recipe.signals.without for name in match.FAMILIES[family]],
    )
