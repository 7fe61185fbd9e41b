"""All that serving needs from one workspace: opened together, and checked to belong together."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from limbeck.errors import WorkspaceError
from limbeck.index import alignment, boards, catalogue, lexical, nearest, onnx, shares, texts, understanding
from limbeck.index.catalogue import Catalogue, Mapped, Shown
from limbeck.index.lexical import Lexical
from limbeck.index.own import OwnNear, OwnWords
from limbeck.index.sides import Near, Words
from limbeck.remembered import Lately, Remembered
from limbeck.settings import Text
from limbeck.signals import joined
from limbeck.signals.signal import Read
from limbeck.student.grade import READINGS, Student
from limbeck.student.scoring import Asked, Held
from limbeck.student.served import ServedTower
from limbeck.text.compose import compose_one
from limbeck.workspace import Workspace

MADE_OF = (
    "models/student",
    "signals/match",
    "index/lexical",
    "index/nearest",
    "index/onnx",
    "index/shares",
    "index/texts",
    "index/catalogue",
    alignment.NAME,
    "pin_vectors",
    "composed",
    "pins",
)
QUERIES = 20_000  # of which it is kept what they contribute
Keep = Callable[[Student, str, Read], Read]
Stage = Callable[[str], AbstractContextManager[object]]  # times a part of the work
REMEDY = "`limbeck run RECIPE` brings them together"


@dataclass(frozen=True)
class Store:
    """One version of the index, read-only. Its Pins are those that have a vector, match features and a row in `pins`.

    Rows are those of the catalogue, and of its vectors; `match_rows` lead from them to the match index.
    """

    student: Student
    signals: joined.Joined
    read: Read  # untuned vectors of queries and of documents from outside
    lexical: Words
    statistics: Lexical  # of the catalogue's words, wherever Pins are searched for by them
    nearest: Near
    catalogue: Catalogue
    shares: Held  # what the student's first layer makes of each Pin of the catalogue
    texts: texts.Texts  # by the rows of the match index
    boards: boards.Boards | None  # where there are any
    match_rows: np.ndarray  # −1 for Pins of the catalogue that cannot be graded and shown
    served: int  # how many can
    tokenizer: Tokenizer
    text: Text
    digest: str  # of the student
    reading: str  # names how it reads texts: vectors of the one are not those of the other
    versions: Mapping[str, str]  # of the parts of the features
    understanding: understanding.Understanding  # of queries
    _asked: Lately[Asked] = field(default_factory=lambda: Lately(QUERIES), kw_only=True)

    @property
    def vectors(self) -> Mapped:
        """The student's vectors of the Pins."""
        return self.catalogue.vectors

    @property
    def model(self) -> str:
        """The student's name."""
        return f"student-{self.digest[:8]}"

    @classmethod
    def open(cls, ws: Workspace, text: Text | None = None, keep: Keep = lambda student, reading, read: read) -> "Store":
        """Load the committed models and indexes. Documents from outside are composed by `text`, else as the Pins were.

        `keep` may put a cache before the reading of queries for the signals, given the student and its `reading`.
        `InputError` where something has not been made yet, `WorkspaceError` where the parts do not belong together.
        """
        versions = {name: ws.digest(name) for name in MADE_OF if ws.manifest(name)}
        _check_vectors_are_of(ws, versions["models/student"])
        _check_signals(ws)
        tower = ServedTower(ws.folder("index/onnx") / onnx.STUDENT)
        student = Student(ws.folder("models/student"), tower)
        reading = versions["models/student"] if tower.bits == 32 else f"{versions['models/student']}/{tower.bits}"
        read = _reading(ws, student)
        aligned = alignment.open(ws)
        signals = joined.open(ws, keep(student, reading, read), known=aligned.of)
        near, pins = nearest.open(ws.folder("index/nearest")), catalogue.open(ws.folder("index/catalogue"))
        words, held = lexical.open(ws.folder("index/lexical")), shares.open(ws.folder("index/shares"))
        _check_features(student, signals)
        _check_sizes(student, pins.vectors, near)
        _check_made(ws, "index/onnx", onnx.made_of(ws))
        _check_made(ws, "index/nearest", ("pin_vectors",))
        _check_made(ws, "index/shares", shares.MADE_OF)
        _check_shares(student, pins.vectors, held)
        _check_made(ws, alignment.NAME, alignment.MADE_OF)
        aligned.check(len(pins.vectors.ids), len(words), len(signals.match.pins))
        return cls(
            student=student,
            signals=signals,
            read=read,
            lexical=OwnWords(words, aligned.rows_of_words),
            statistics=words,
            nearest=OwnNear(near, aligned.match_rows),
            catalogue=pins,
            shares=held,
            texts=texts.open(ws.folder("index/texts")),
            boards=boards.open(ws.folder(boards.NAME)) if ws.has(boards.NAME) else None,
            match_rows=aligned.match_rows,
            served=aligned.served,
            tokenizer=_tokenizer(ws),
            text=text or _text(ws),
            digest=versions["models/student"],
            reading=reading,
            versions=joined.versions(ws),
            understanding=understanding.open(ws),
        )

    def __len__(self) -> int:
        return self.served

    def rows(self, pin_ids: Sequence[str]) -> np.ndarray:
        """Row numbers of Pins, int64 (n,); −1 for those that cannot be graded and shown."""
        rows = self.vectors.rows(pin_ids)
        if self.served == len(self.match_rows):
            return rows
        return np.where((rows >= 0) & (self.match_rows[rows] >= 0), rows, -1)

    def shown(self, rows: np.ndarray) -> list[Shown]:
        """What is shown of the Pins in these rows."""
        return self.catalogue.shown(rows)

    def told(self, rows: np.ndarray) -> Sequence[bytes | memoryview]:
        """The same as JSON."""
        return self.catalogue.told(rows)

    def fitting(self, rows: np.ndarray, wanted: Mapping[str, str]) -> np.ndarray:
        """Which of the Pins in these rows state what is `wanted` of language and country, or nothing: bool (n,)."""
        return self.catalogue.fitting(rows, wanted)

    def ids(self, rows: np.ndarray) -> list[str]:
        """The ids of the Pins in these rows."""
        return self.vectors.of_rows(rows)

    def matched(self, rows: np.ndarray) -> np.ndarray:
        """By which rows of the match index the signals know these Pins, int64 (n,); −1 for those they do not know."""
        return self.match_rows[rows]

    def says(self, rows: np.ndarray) -> list[dict[str, Any]]:
        """What the Pins in these rows say, by source."""
        return self.texts.of(self.matched(rows).tolist())

    def said(self, rows: np.ndarray) -> Sequence[str | None]:
        """The digest of what each of the Pins in these rows says; None where no run has gathered it yet."""
        return self.texts.digests(self.matched(rows).tolist())

    def vectors_of(self, rows: np.ndarray) -> np.ndarray:
        """The student's vectors of the Pins in these rows, float32 (n, d)."""
        return self.vectors.matrix[rows]

    def features(self, query: str, rows: np.ndarray) -> np.ndarray:
        """Features of a query and the Pins in these rows, float32 (n, f)."""
        return self.signals.features(query, self.matched(rows))

    def columns(self, query: str, rows: np.ndarray) -> np.ndarray:
        """What is known of a query and the catalogue's Pins in these rows together, float32 (n, f)."""
        return self.signals.of_side("pair", query, self.matched(rows))

    def asked(self, query: str, vector: np.ndarray) -> Asked:
        """What a query, whose vector (d,) is known, contributes to its grades; kept for the next time."""
        asked = self._asked.get(query)
        if asked is None:
            asked = self.student.scorer.asked(vector, self.signals.of_side("query", query, np.zeros(0, np.int64))[0])
            self._asked.put_many({query: asked})
        return asked

    def grade(self, query: str, vector: np.ndarray, rows: np.ndarray, stage: Stage = nullcontext) -> np.ndarray:
        """Five probabilities of a query, whose vector (d,) is known, and the Pins in these rows: float32 (n, 5)."""
        with stage("features"):
            asked, columns = self.asked(query, vector), self.columns(query, rows)
        with stage("grade"):
            return self.student.scorer.candidates(asked, self.shares, rows, columns)

    def composed(self, rows: np.ndarray) -> list[str]:
        """What the student reads of the Pins in these rows."""
        return [self.compose(said) for said in self.says(rows)]

    def compose(self, fields: Mapping[str, object]) -> str:
        """The text that the student reads of a document from outside, made as those of Pins are."""
        return compose_one(fields, self.text, self.tokenizer)


def _text(ws: Workspace) -> Text:
    """The settings that the Pins of this workspace were composed by."""
    made_by = ws.manifest("composed").made.settings.get("rendering", {})
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
    made_of = ws.manifest("index/catalogue").made.inputs["pin_vectors"]
    if made_of != ws.digest("pin_vectors"):
        raise WorkspaceError(f"{ws.root}: the catalogue has other vectors of the Pins. {REMEDY}")


def _reading(ws: Workspace, student: Student) -> Read:
    """Untuned vectors of queries: by the student's own backbone, or, where that was tuned, by the one that was kept."""
    kept = ws.folder("index/onnx") / onnx.UNTUNED
    return Remembered(ServedTower(kept).read, READINGS) if kept.exists() else student.read


def _check_signals(ws: Workspace) -> None:
    """Learnt vectors mean something to those alone that were trained on them."""
    trained_on = ws.manifest("models/student").made.inputs
    for name in filter(ws.has, joined.LEARNT):
        if trained_on.get(name, found := joined.trained(ws, name)) != found:
            raise WorkspaceError(f"{ws.root}: the student was trained on another {name}. {REMEDY}")


def _check_features(student: Student, signals: joined.Joined) -> None:
    if tuple(student.features) != tuple(signals.names):
        differing = sorted(set(student.features) ^ set(signals.names)) or ["their order"]
        listed = ", ".join(differing[:5])
        raise WorkspaceError(f"the student was trained on other signals (different: {listed}). {REMEDY}")


def _check_made(ws: Workspace, name: str, made_of: Sequence[str]) -> None:
    """What was made of another student or of other signals does not go with those that are there now."""
    made_by = ws.manifest(name).made.inputs
    for part in made_of:
        if made_by.get(part, ws.digest(part)) != ws.digest(part):
            raise WorkspaceError(f"{ws.root}: {name} was made of another {part}. {REMEDY}")


def _check_shares(student: Student, vectors: Mapped, held: Held) -> None:
    expected = len(vectors.ids), student.scorer.shape.products + student.scorer.shape.sizes[1]
    if held.numbers.shape != expected:
        raise WorkspaceError(f"index/shares holds {held.numbers.shape} numbers, not {expected}. {REMEDY}")


def _check_sizes(student: Student, vectors: Mapped, near: nearest.Nearest) -> None:
    if not len(vectors.ids):
        raise WorkspaceError(f"no Pin has a vector. {REMEDY}")
    sizes = {"the student": student.vector_size, "pin_vectors": vectors.matrix.shape[1], "index": near.vector_size}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{size} in {where}" for where, size in sizes.items())
        raise WorkspaceError(f"vectors differ in size: {listed}. {REMEDY}")
    if len(near) != len(vectors.ids):
        raise WorkspaceError(f"index/nearest holds {len(near)} vectors, not {len(vectors.ids)}. {REMEDY}")
