"""What a student's head is given and how large it is, as its folder says it."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from limbeck.errors import WorkspaceError
from limbeck.relevance import LEVELS
from limbeck.settings import Student
from limbeck.signals.signal import Group, Side

WEIGHTS, SHAPE = "head.safetensors", "head.json"
VERSION = 2  # of the head's arrangement: raise it when the same files are to be read otherwise


@dataclass(frozen=True)
class Shape:
    """Numbers per vector, how many of them are multiplied one by one, features and signals, and hidden sizes."""

    vector_size: int
    products: int
    features: tuple[str, ...]
    hidden: tuple[int, ...]
    groups: tuple[Group, ...] = ()

    @classmethod
    def of(cls, settings: Student, features: Sequence[str], groups: Sequence[Group] = ()) -> "Shape":
        """The head that a recipe asks for. The last features are those of the groups, in their order."""
        products = min(settings.products, settings.vector_size)
        return cls(settings.vector_size, products, tuple(features), tuple(settings.hidden), tuple(groups))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of the layers, from what goes in to what comes out."""
        given = 2 * self.vector_size + self.products + 1 + len(self.features) + len(self.groups)
        return (given, *self.hidden, len(LEVELS))

    @cached_property
    def spans(self) -> list[tuple[Group, int, int]]:
        """Each group with the columns it has among the features: from the first to before the second number."""
        ends = list(itertools.accumulate((len(g.columns) for g in self.groups), initial=0))
        before = len(self.features) - ends[-1]
        bounds = itertools.pairwise(before + end for end in ends)
        return [(group, begin, end) for group, (begin, end) in zip(self.groups, bounds)]

    @cached_property
    def sides(self) -> tuple[Side, ...]:
        """What each feature tells of; a match feature, of the pair."""
        told: list[Side] = [group.of for group, begin, end in self.spans for _ in range(begin, end)]
        plain: list[Side] = ["pair"] * (len(self.features) - len(told))
        return (*plain, *told)

    def save(self, folder: Path) -> None:
        """Write it beside the weights."""
        said = {"version": VERSION, **asdict(self)}
        (folder / SHAPE).write_text(json.dumps(said, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Shape":
        """What `save` wrote; `WorkspaceError` for the head of another version."""
        said = json.loads((folder / SHAPE).read_text(encoding="utf-8"))
        if said.pop("version", 1) != VERSION:
            raise WorkspaceError(f"{folder}: made by another version of Limbeck. `limbeck run RECIPE` trains it anew")
        groups = tuple(Group(g["name"], g["of"], tuple(g["columns"])) for g in said["groups"])
        return cls(said["vector_size"], said["products"], tuple(said["features"]), tuple(said["hidden"]), groups)
