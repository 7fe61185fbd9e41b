"""Ratings as relevance levels 1–5: by a table of values, or by four ascending thresholds."""

import itertools

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from limbeck.errors import InputError
from limbeck.relevance import LEVELS
from limbeck.settings import Level
from limbeck.sources import values

AS_THEY_ARE = {str(level): level for level in LEVELS}


def validate(level: Level, place: str) -> None:
    """`InputError` unless the mapping gives every rating it knows one of the five levels."""
    if bool(level.table) == bool(level.thresholds):
        raise InputError("level needs either a table or thresholds", file=place)
    outside = [rating for rating, value in level.table.items() if value not in LEVELS]
    if outside:
        raise InputError(f"level.table gives {outside[0]!r} the level {level.table[outside[0]]}, not 1–5", file=place)
    steps = level.thresholds
    if steps and (len(steps) != 4 or any(a >= b for a, b in itertools.pairwise(steps))):
        raise InputError(f"level.thresholds are {list(steps)}, not four ascending numbers", file=place)


def read(ratings: pa.Array, level: Level) -> pa.Array:
    """The levels of ratings (texts), int32; null where the mapping has none for a rating."""
    if level.thresholds:
        numbers = values.numbers(ratings)
        placed = np.searchsorted(level.thresholds, numbers.fill_null(0).to_numpy(), side="right") + 1
        return pc.if_else(numbers.is_valid(), pa.array(placed, pa.int32()), pa.scalar(None, pa.int32()))
    known = {rating: _level(rating, level.table) for rating in ratings.unique().to_pylist()}
    return pa.array([known[rating] for rating in ratings.to_pylist()], pa.int32())


def remedy(level: Level) -> str:
    """What to do about a rating without a level."""
    if level.thresholds:
        return "Thresholds want numbers; map other ratings by level.table"
    return f"level.table has {', '.join(map(repr, level.table))}: add this rating, or leave its rows out by where"


def _level(rating: str | None, table: dict[str, int]) -> int | None:
    """The level of one rating; "3.0" is found under "3"."""
    if rating is None:
        return None
    trimmed = rating.strip()
    shortened = trimmed.rstrip("0").rstrip(".") if "." in trimmed else trimmed
    return table.get(rating, table.get(trimmed, table.get(shortened)))
