"""The nouns of Limbeck, one frozen dataclass per table, and the Arrow schemas derived from them.

A column is nullable exactly where its annotation admits `None`. Times are UTC with microseconds.
"""

import types
import typing
from dataclasses import dataclass, fields
from datetime import datetime

import pyarrow as pa

from limbeck.errors import InputError


@dataclass(frozen=True, slots=True)
class Pin:
    """An item that can be found: a Pin, a product, a recipe, a photo."""

    pin_id: str
    title: str | None
    description: str | None
    image: str | None
    link: str | None
    language: str | None
    country: str | None
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Board:
    """A user's collection of Pins."""

    board_id: str
    title: str | None


@dataclass(frozen=True, slots=True)
class Save:
    """A Pin put on a board."""

    board_id: str
    pin_id: str
    user_id: str
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class Link:
    """A page that Pins link to."""

    link: str
    title: str | None
    description: str | None


@dataclass(frozen=True, slots=True)
class Impression:
    """A Pin shown for a search. `position` counts from 1."""

    search_id: str
    searched_at: datetime
    user_id: str
    country: str | None
    language: str | None
    query: str
    pin_id: str
    position: int
    clicked: bool
    dwell_seconds: float | None
    saved: bool


@dataclass(frozen=True, slots=True)
class Judgment:
    """One rater's relevance level (1–5) for a pair; several raters of a pair are several rows."""

    query: str
    pin_id: str
    rater_id: str | None
    level: int
    judged_at: datetime | None
    language: str | None
    country: str | None


@dataclass(frozen=True, slots=True)
class Caption:
    """What an image shows, as a captioning model words it."""

    pin_id: str
    image_digest: str | None
    caption: str
    captioner: str


@dataclass(frozen=True, slots=True)
class Interest:
    """What a Pin or a query is about, as a taxonomy names it, and whether it is for shopping: one of several, maybe.

    A row is either about a Pin or about a query.
    """

    pin_id: str | None
    query: str | None
    interest: str | None
    shopping: bool | None


@dataclass(frozen=True, slots=True)
class Picture:
    """What became of one picture that Pins name: the words of a captioner, or why it was skipped.

    `image_digest` is that of its bytes; `refetch` is the recipe's word at the time it was fetched from a URL.
    """

    image: str
    image_digest: str | None
    caption: str | None
    captioner: str
    skipped: str | None
    refetch: str | None


@dataclass(frozen=True, slots=True)
class ImageVector:
    """One picture that Pins name, as the image tower of a model sees it; no numbers where it was skipped.

    `image_digest` and `refetch` are as in `Picture`.
    """

    image: str
    image_digest: str | None
    vector: tuple[float, ...]
    model: str
    skipped: str | None
    refetch: str | None


@dataclass(frozen=True, slots=True)
class PinText:
    """All that a Pin says, source by source. `digest` changes exactly when one of the texts does."""

    pin_id: str
    title: str | None
    description: str | None
    caption: str | None
    board_titles: tuple[str, ...]
    engaged_queries: tuple[str, ...]
    link_title: str | None
    link_description: str | None
    digest: str


@dataclass(frozen=True, slots=True)
class ComposedText:
    """The one text of a Pin that models read, within the token budget. `digest` is that of `text`.

    `said` is the digest of all that the Pin said then: of its row of `pin_texts`.
    """

    pin_id: str
    text: str
    digest: str
    said: str


@dataclass(frozen=True, slots=True)
class Pair:
    """A (query, Pin) to label. `weight` undoes the stratified sampling: pairs of the log per sampled pair."""

    query: str
    pin_id: str
    language: str | None
    country: str | None
    stratum: str
    weight: float


@dataclass(frozen=True, slots=True)
class SoftLabel:
    """A grader's answer to a pair: probabilities of levels 1 to 5. `digest` is that of the Pin's composed text."""

    query: str
    pin_id: str
    p1: float
    p2: float
    p3: float
    p4: float
    p5: float
    grader: str
    digest: str


@dataclass(frozen=True, slots=True)
class Exposure:
    """How often a Pin was shown for a query in one place of the page on one day, and what came of it.

    The query is in its normal form; days are counted from 1970, in UTC.
    """

    pin_id: str
    query: str
    day: int
    position: int
    shown: int
    clicks: int
    long_clicks: int
    saves: int


@dataclass(frozen=True, slots=True)
class LoggedPair:
    """Features of a pair as the service computed them, in their present order; `parts` are those that hold."""

    query: str
    pin_id: str
    parts: tuple[str, ...]
    features: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PinVector:
    """A Pin as an encoder sees it. `digest` is over the composed text and the encoder that read it."""

    pin_id: str
    digest: str
    vector: tuple[float, ...]


RECORDS: dict[str, type] = {
    "pins": Pin,
    "boards": Board,
    "saves": Save,
    "links": Link,
    "impressions": Impression,
    "judgments": Judgment,
    "heldout": Judgment,  # judgments that are only ever measured on
    "captions": Caption,
    "interests": Interest,
    "pictures": Picture,
    "generated_captions": Caption,  # of Pins whose picture the user gave no caption of
    "image_vectors": ImageVector,
    "pin_texts": PinText,
    "composed": ComposedText,
    "pairs": Pair,
    "soft_labels": SoftLabel,
    "exposures": Exposure,
    "logged": LoggedPair,
    "encoder_vectors": PinVector,  # by the untuned backbone: the student's starting point
    "pin_vectors": PinVector,
}
INPUTS = ("pins", "boards", "saves", "links", "impressions", "judgments", "heldout", "captions", "interests")
EITHER = {"interests": ("pin_id", "query")}  # columns of which every row has exactly one
KEYS: dict[str, tuple[str, ...]] = {
    "pins": ("pin_id",),
    "boards": ("board_id",),
    "links": ("link",),
    "captions": ("pin_id",),
    "pictures": ("image",),
    "generated_captions": ("pin_id",),
    "image_vectors": ("image",),
    "pin_texts": ("pin_id",),
    "composed": ("pin_id",),
    "pairs": ("query", "pin_id"),
    "soft_labels": ("query", "pin_id"),
    "exposures": ("pin_id", "query", "day", "position"),
    "logged": ("query", "pin_id"),
    "encoder_vectors": ("pin_id",),
    "pin_vectors": ("pin_id",),
}
# (table, column) whose values should be among those of another (table, column).
REFERENCES = (
    ("judgments", "pin_id", "pins", "pin_id"),
    ("heldout", "pin_id", "pins", "pin_id"),
    ("impressions", "pin_id", "pins", "pin_id"),
    ("captions", "pin_id", "pins", "pin_id"),
    ("interests", "pin_id", "pins", "pin_id"),
    ("saves", "pin_id", "pins", "pin_id"),
    ("saves", "board_id", "boards", "board_id"),
    ("boards", "board_id", "saves", "board_id"),
    ("pins", "link", "links", "link"),
    ("links", "link", "pins", "link"),
)
PROBABILITIES = ("p1", "p2", "p3", "p4", "p5")
ACTIONS = ("clicks", "long_clicks", "saves")  # of exposures: what came of being shown
MICROSECONDS_PER_DAY = 86_400_000_000  # between times, and the days that exposures are counted by

_ARROW: dict[object, pa.DataType] = {
    str: pa.string(),
    int: pa.int32(),
    float: pa.float32(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us", tz="UTC"),
}


def arrow_type(annotation: object) -> tuple[pa.DataType, bool]:
    """The Arrow type and nullability of a dataclass annotation."""
    if isinstance(annotation, types.UnionType):
        (inner,) = [a for a in typing.get_args(annotation) if a is not type(None)]
        return arrow_type(inner)[0], True
    if typing.get_origin(annotation) is tuple:
        return pa.list_(arrow_type(typing.get_args(annotation)[0])[0]), False
    return _ARROW[annotation], False


def schema(table: str) -> pa.Schema:
    """The Arrow schema of a table, from its dataclass."""
    hints = typing.get_type_hints(RECORDS[table])
    columns = [(f.name, *arrow_type(hints[f.name])) for f in fields(RECORDS[table])]
    return pa.schema([pa.field(name, kind, nullable) for name, kind, nullable in columns])


def empty(table: str) -> pa.Table:
    """The table with its columns and no rows."""
    return schema(table).empty_table()


def conform(rows: pa.Table, table: str, source: object = None) -> pa.Table:
    """`rows` with exactly the columns of `table`, in order and type; raises `InputError` where they cannot be."""
    want = schema(table)
    for field in want:
        if field.name not in rows.column_names:
            raise InputError(f"no such column in the {table} table", file=source, column=field.name)
        nulls = rows.column(field.name).null_count
        if nulls and not field.nullable:
            raise InputError(f"{nulls} empty values where none are allowed", file=source, column=field.name)
    return pa.Table.from_arrays([_cast(rows.column(f.name), f, source) for f in want], schema=want)


def _cast(column: pa.ChunkedArray, field: pa.Field, source: object) -> pa.ChunkedArray:
    try:
        return column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"cannot be {field.type}: {error}", file=source, column=field.name) from None
