"""The other models of a workspace as rankers: the teacher, and the students that learnt from less or from people alone.

Each puts the student's first candidates into an order of its own. They are for people who compare, never for `/search`,
and are loaded when they are first asked for, and PyTorch with them: the service itself needs none.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from limbeck.errors import InputError
from limbeck.index.store import Store
from limbeck.records import empty
from limbeck.student.grade import Student
from limbeck.workspace import Workspace

CANDIDATES = 50  # that are graded anew: the teacher reads each of them with the query
Grade = Callable[[str, Store, np.ndarray], np.ndarray]


class Searches(Protocol):
    """A whole ranker, of another workspace."""

    def search(self, query: str, k: int, candidates: int) -> list[Any]:
        """The `k` most relevant of up to `candidates` Pins found."""


class Others:
    """The models beside the one that answers, by name."""

    def __init__(self, ws: Workspace, store: Store, beside: Mapping[str, Searches] | None = None) -> None:
        """`beside` are whole rankers of other workspaces: each finds and grades with its own index."""
        self._store, self._loaded = store, dict[str, Grade]()
        self.beside = beside or {}
        students = sorted(path.stem for path in (ws.root / "models").glob("student-*.json"))
        self._folders = {
            name: ws.folder(f"models/{name}") for name in ("teacher", *students) if ws.has(f"models/{name}")
        }

    @property
    def names(self) -> tuple[str, ...]:
        """The teacher first, where it is there."""
        return tuple(self._folders)

    def grade(self, name: str, query: str, store: Store, rows: np.ndarray) -> np.ndarray:
        """Five probabilities for each of the Pins in these rows of a store, float32 (n, 5), in their order."""
        if name not in self._loaded:
            load = self._teacher if name == "teacher" else self._student
            try:
                self._loaded[name] = load(self._folders[name])
            except OSError:
                raise InputError(f"{name} is being replaced", remedy="Ask again in a few seconds") from None
        return self._loaded[name](query, store, rows)

    def _teacher(self, folder: Path) -> Grade:
        from limbeck.teacher.grade import TeacherGrader

        teacher = TeacherGrader(folder, empty("composed"))
        return lambda query, store, rows: teacher.grade_texts([query] * len(rows), store.composed(rows))

    def _student(self, folder: Path) -> Grade:
        student = Student(folder)
        if tuple(student.features) != tuple(self._store.signals.names):
            raise InputError(
                f"{folder.name} was trained on other signals", remedy="`limbeck run RECIPE` trains it anew"
            )

        def grade(query: str, store: Store, rows: np.ndarray) -> np.ndarray:
            features = store.features(query, rows)
            return student.probabilities(student.vectors([query]), student.vectors(store.composed(rows)), features)

        return grade
