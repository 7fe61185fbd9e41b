"""All that serving needs from one workspace: opened together, and checked to belong together."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from limbeck.errors import WorkspaceError
from limbeck.index import lexical, nearest
from limbeck.settings import Text
from limbeck.signals import match_index
from limbeck.student.encode import Vectors
from limbeck.student.grade import Student
from limbeck.text.compose import compose_one
from limbeck.workspace import Workspace

SHOWN = ("pin_id", "title", "description", "image", "link", "language", "country")
MADE_OF = ("models/student", "signals/match", "index/lexical", "index/nearest", "pin_vectors", "composed", "pins")
REMEDY = "`limbeck run RECIPE` brings them together"


@dataclass(frozen=True)
class Store:
    """One version of the index, read-only. Its Pins are those that have a vector, match signals and a row in `pins`.

    Rows are those of the vectors; `match_rows` and `pin_rows` lead from them to the other two.
    """

    student: Student
    match: match_index.MatchIndex
    lexical: lexical.Lexical
    nearest: nearest.Nearest
    vectors: Vectors
    pins: pa.Table
    match_rows: np.ndarray
    pin_rows: np.ndarray
    tokenizer: Tokenizer
    text: Text
    model: str

    @classmethod
    def open(cls, ws: Workspace, text: Text | None = None) -> "Store":
        """Load the committed models and indexes. Documents from outside are composed by `text`, else as the Pins were.

        `InputError` where something has not been made yet, `WorkspaceError` where the parts do not belong together.
        """
        versions = {name: ws.digest(name) for name in MADE_OF if ws.manifest(name)}
        _check_vectors_are_of(ws, versions["models/student"])
        student, match = Student(ws.folder("models/student")), match_index.open(ws.folder("signals/match"))
        near, vectors = nearest.open(ws.folder("index/nearest")), Vectors(ws.table("pin_vectors"))
        _check_features(student, match)
        _check_sizes(student, vectors, near)
        pins = ws.table("pins", SHOWN)
        return cls(
            student=student,
            match=match,
            lexical=lexical.open(ws.folder("index/lexical")),
            nearest=near,
            vectors=vectors,
            pins=pins,
            match_rows=match.rows(vectors.pin_ids),
            pin_rows=_rows_in(pins, vectors.pin_ids),
            tokenizer=_tokenizer(ws),
            text=text or _text(ws),
            model=f"student-{versions['models/student'][:8]}",
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


def _check_features(student: Student, match: match_index.MatchIndex) -> None:
    if tuple(student.features) != tuple(match.names):
        differing = sorted(set(student.features) ^ set(match.names)) or ["their order"]
        listed = ", ".join(differing[:5])
        raise WorkspaceError(f"the student was trained on other match signals (different: {listed}). {REMEDY}")


def _check_sizes(student: Student, vectors: Vectors, near: nearest.Nearest) -> None:
    if not vectors.pin_ids:
        raise WorkspaceError(f"no Pin has a vector. {REMEDY}")
    sizes = {"the student": student.vector_size, "pin_vectors": vectors.matrix.shape[1], "index": near.vector_size}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{size} in {where}" for where, size in sizes.items())
        raise WorkspaceError(f"vectors differ in size: {listed}. {REMEDY}")
