"""All that serving needs from one workspace: opened together, and checked to belong together."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from limbeck.errors import WorkspaceError
from limbeck.index import lexical, nearest, texts, understanding
from limbeck.index.sides import Near, Words
from limbeck.remembered import Remembered
from limbeck.settings import Text
from limbeck.signals import joined
from limbeck.signals.signal import Read
from limbeck.student.encode import Encoder, Vectors
from limbeck.student.grade import READINGS, Student
from limbeck.student.model import TOWER
from limbeck.text.compose import compose_one
from limbeck.workspace import Workspace

SHOWN = ("pin_id", "title", "description", "image", "link", "language", "country")
MADE_OF = (
    "models/student",
    "signals/match",
    "index/lexical",
    "index/nearest",
    "index/texts",
    "pin_vectors",
    "composed",
    "pins",
)
Keep = Callable[[Student, str, Read], Read]
REMEDY = "`limbeck run RECIPE` brings them together"


@dataclass(frozen=True)
class Store:
    """One version of the index, read-only. Its Pins are those that have a vector, match features and a row in `pins`.

    Rows are those of the vectors; `match_rows` and `pin_rows` lead from them to the other two.
    """

    student: Student
    signals: joined.Joined
    read: Read  # untuned vectors of queries and of documents from outside
    lexical: Words
    nearest: Near
    vectors: Vectors
    texts: texts.Texts  # by the rows of the match index
    pins: pa.Table
    match_rows: np.ndarray
    pin_rows: np.ndarray
    tokenizer: Tokenizer
    text: Text
    digest: str  # of the student
    understanding: understanding.Understanding  # of queries

    @property
    def model(self) -> str:
        """The student's name."""
        return f"student-{self.digest[:8]}"

    @classmethod
    def open(cls, ws: Workspace, text: Text | None = None, keep: Keep = lambda student, digest, read: read) -> "Store":
        """Load the committed models and indexes. Documents from outside are composed by `text`, else as the Pins were.

        `keep` may put a cache before the reading of queries for the signals, given the student and its digest.
        `InputError` where something has not been made yet, `WorkspaceError` where the parts do not belong together.
        """
        versions = {name: ws.digest(name) for name in MADE_OF if ws.manifest(name)}
        _check_vectors_are_of(ws, versions["models/student"])
        _check_signals(ws)
        student = Student(ws.folder("models/student"))
        read = _reading(ws, student)
        signals = joined.open(ws, keep(student, versions["models/student"], read))
        near, vectors = nearest.open(ws.folder("index/nearest")), Vectors(ws.table("pin_vectors"))
        _check_features(student, signals)
        _check_sizes(student, vectors, near)
        pins = ws.table("pins", SHOWN)
        return cls(
            student=student,
            signals=signals,
            read=read,
            lexical=lexical.open(ws.folder("index/lexical")),
            nearest=near,
            vectors=vectors,
            texts=texts.open(ws.folder("index/texts")),
            pins=pins,
            match_rows=signals.rows(vectors.pin_ids),
            pin_rows=_rows_in(pins, vectors.pin_ids),
            tokenizer=_tokenizer(ws),
            text=text or _text(ws),
            digest=versions["models/student"],
            understanding=understanding.open(ws),
        )

    def __len__(self) -> int:
        return int(((self.match_rows >= 0) & (self.pin_rows >= 0)).sum())

    def rows(self, pin_ids: Sequence[str]) -> np.ndarray:
        """Row numbers of Pins, int64 (n,); −1 for those that cannot be graded and shown."""
        rows = self.vectors.rows(pin_ids)
        whole = (rows >= 0) & (np.append(self.match_rows, -1)[rows] >= 0) & (np.append(self.pin_rows, -1)[rows] >= 0)
        return np.where(whole, rows, -1)

    def shown(self, rows: np.ndarray) -> list[dict[str, Any]]:
        """What is shown of the Pins in these rows: the columns of `SHOWN`."""
        return self.pins.take(pa.array(self.pin_rows[rows])).to_pylist()

    def composed(self, rows: np.ndarray) -> list[str]:
        """What the student reads of the Pins in these rows."""
        return [self.compose(said) for said in self.texts.of(self.match_rows[rows])]

    def compose(self, fields: Mapping[str, object]) -> str:
        """The text that the student reads of a document from outside, made as those of Pins are."""
        return compose_one(fields, self.text, self.tokenizer)


def _rows_in(pins: pa.Table, pin_ids: Sequence[str]) -> np.ndarray:
    row_of = {pin: row for row, pin in enumerate(pins.column("pin_id").to_pylist())}
    return np.fromiter((row_of.get(pin, -1) for pin in pin_ids), np.int64, len(pin_ids))


def _text(ws: Workspace) -> Text:
    """The settings that the Pins of this workspace were composed by."""
    made_by = ws.manifest("composed").made.settings
    given = {name: made_by[name] for name in ("sources", "max_tokens") if name in made_by}
    return dataclasses.replace(Text(), **given)


def _tokenizer(ws: Workspace) -> Tokenizer:
    """The tokenizer that the Pins were composed with, the teacher's; where no teacher was shipped, the student's."""
    has_teacher = ws.has("models/teacher")
    folder = ws.folder("models/teacher") if has_teacher else ws.folder("models/student") / "tower"
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _check_vectors_are_of(ws: Workspace, student: str) -> None:
    """Vectors of the right size may still be another student's: the manifest says whose they are."""
    made_by = ws.manifest("pin_vectors").made.inputs.get("models/student", student)
    if made_by != student:
        raise WorkspaceError(f"{ws.root}: the Pins' vectors are another student's. {REMEDY}")


def _reading(ws: Workspace, student: Student) -> Read:
    """Untuned vectors of queries: by the student's own backbone, or, where that was tuned, by the one that was kept."""
    kept = [folder for folder in map(ws.folder, filter(ws.has, joined.LEARNT)) if (folder / TOWER).exists()]
    return Remembered(Encoder.of_student(kept[0]).read, READINGS) if kept else student.read


def _check_signals(ws: Workspace) -> None:
    """Learnt vectors mean something to those alone that were trained on them."""
    trained_on = ws.manifest("models/student").made.inputs
    for name in joined.LEARNT:
        if trained_on.get(name, ws.digest(name)) != ws.digest(name):
            raise WorkspaceError(f"{ws.root}: the student was trained on another {name}. {REMEDY}")


def _check_features(student: Student, signals: joined.Joined) -> None:
    if tuple(student.features) != tuple(signals.names):
        differing = sorted(set(student.features) ^ set(signals.names)) or ["their order"]
        listed = ", ".join(differing[:5])
        raise WorkspaceError(f"the student was trained on other signals (different: {listed}). {REMEDY}")


def _check_sizes(student: Student, vectors: Vectors, near: nearest.Nearest) -> None:
    if not vectors.pin_ids:
        raise WorkspaceError(f"no Pin has a vector. {REMEDY}")
    sizes = {"the student": student.vector_size, "pin_vectors": vectors.matrix.shape[1], "index": near.vector_size}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{size} in {where}" for where, size in sizes.items())
        raise WorkspaceError(f"vectors differ in size: {listed}. {REMEDY}")
