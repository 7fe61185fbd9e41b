"""What raters said, in one SQLite file: an append-only history with who and when, written by one process at a time.

An event carries an id that the rater's browser made. The same event sent twice is kept once, so that a browser may send
again whatever it has no answer to. Only what is on the disk is ever acknowledged (WAL, `synchronous=FULL`).
"""

import fcntl
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from limbeck.errors import InputError
from limbeck.workspace import digest_of

VERSION = 1
ADMIN = "administrator"
_SCHEMA = """
CREATE TABLE people (
    person TEXT PRIMARY KEY,
    secret TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE pairs (
    pair TEXT PRIMARY KEY,
    query TEXT NOT NULL,
    pin_id TEXT NOT NULL,
    language TEXT,
    country TEXT,
    queue TEXT NOT NULL,
    gold INTEGER CHECK (gold BETWEEN 1 AND 5),
    test INTEGER NOT NULL
) STRICT;
CREATE TABLE events (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    person TEXT NOT NULL REFERENCES people,
    pair TEXT NOT NULL REFERENCES pairs,
    action TEXT NOT NULL CHECK (action IN ('rate', 'skip', 'flag', 'undo')),
    level INTEGER CHECK (level BETWEEN 1 AND 5),
    note TEXT NOT NULL,
    seconds REAL NOT NULL,
    received_at TEXT NOT NULL,
    UNIQUE (person, id),
    CHECK ((action = 'rate') = (level IS NOT NULL))
) STRICT;
CREATE INDEX last_word ON events (person, pair, number);
CREATE TRIGGER history_stays BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
CREATE TRIGGER history_is_kept BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
CREATE VIEW answers AS
    SELECT person, pair, action, level, note, seconds, received_at AS at FROM events
    WHERE number IN (SELECT max(number) FROM events GROUP BY person, pair) AND action <> 'undo';
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """A pair to label. `gold` is its level where that is known; `test` pairs are only ever measured on."""

    pair: str
    query: str
    pin_id: str
    language: str | None
    country: str | None
    queue: str
    gold: int | None
    test: bool


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One key of a rater's, as the browser sends it. `undo` takes back what the rater last said of the pair."""

    id: Annotated[str, Meta(pattern=r"^[\w-]{8,64}$")]
    pair: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
    action: Literal["rate", "skip", "flag", "undo"]
    level: Annotated[int, Meta(ge=1, le=5)] | None = None
    note: Annotated[str, Meta(max_length=2_000)] = ""
    seconds: Annotated[float, Meta(ge=0, le=86_400)] = 0.0

    def __post_init__(self) -> None:
        if (self.action == "rate") != (self.level is not None):
            raise ValueError("a level belongs to `rate`, and to nothing else")


@dataclass(frozen=True, slots=True)
class Answer:
    """What stands: the last thing that somebody said of a pair, if it was not taken back."""

    person: str
    pair: str
    action: str
    level: int | None
    note: str
    seconds: float
    at: datetime


def pair_id(query: str, pin_id: str) -> str:
    """What a pair is called on the way to a browser and back: a digest, the same in every database."""
    return digest_of(query, pin_id)


class Store:
    """The database of one desk. Threads may share it; calls take turns."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection, self._turn = connection, threading.Lock()

    def invite(self, people: Iterable[str]) -> None:
        """Give a secret to each of these who has none."""
        rows = [(person, secrets.token_urlsafe(24)) for person in people]
        with self._turn, self._connection as connection:
            connection.executemany("INSERT INTO people VALUES (?, ?) ON CONFLICT (person) DO NOTHING", rows)

    def secrets(self) -> dict[str, str]:
        """Everybody's secret, the administrator's among them, in order of names."""
        return dict(self._rows("SELECT person, secret FROM people ORDER BY person"))

    def add(self, pairs: Iterable[Pair]) -> int:
        """Put pairs into the queue; one that is there already stays as it is. How many were new."""
        with self._turn, self._connection as connection:
            before = connection.total_changes
            places = ", ".join("?" * len(fields(Pair)))
            connection.executemany(f"INSERT OR IGNORE INTO pairs VALUES ({places})", map(astuple, pairs))
            return connection.total_changes - before

    def pairs(self) -> list[Pair]:
        """All pairs of the queue, in an order of their own."""
        rows = map(dict, self._rows("SELECT * FROM pairs ORDER BY pair"))
        return [Pair(**{**row, "test": bool(row["test"])}) for row in rows]

    def append(self, person: str, events: Sequence[Event], received_at: datetime) -> list[Event]:
        """Keep what somebody did, in this order, on the disk; what is kept already is passed over. Returns the new."""
        at = received_at.astimezone(UTC).isoformat(timespec="microseconds")
        with self._turn, self._connection as connection:
            return [event for event in events if _insert(connection, person, event, at)]

    def answers(self) -> list[Answer]:
        """What stands of everything that was said, by pair and person."""
        rows = map(dict, self._rows("SELECT * FROM answers ORDER BY pair, person"))
        return [Answer(**{**row, "at": datetime.fromisoformat(row["at"])}) for row in rows]

    def history(self) -> list[dict[str, Any]]:
        """Everything that was ever said, in order, with the words of the pair."""
        names = "number, received_at, person, action, level, note, seconds, query, pin_id"
        return [dict(r) for r in self._rows(f"SELECT {names} FROM events JOIN pairs USING (pair) ORDER BY number")]

    def _rows(self, query: str) -> list[Any]:
        with self._turn:
            return self._connection.execute(query).fetchall()


def _insert(connection: sqlite3.Connection, person: str, event: Event, at: str) -> bool:
    """Add one event to the history; False where it stands there already."""
    row = (event.id, person, event.pair, event.action, event.level, event.note, event.seconds, at)
    names = "id, person, pair, action, level, note, seconds, received_at"
    statement = f"INSERT INTO events ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (person, id) DO NOTHING"
    return connection.execute(statement, row).rowcount == 1


@contextmanager
def writing(path: Path) -> Iterator[Store]:
    """The database at `path`, made where there is none, held by this process alone until the end of the block."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(path.name + ".lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                "another desk is using it", file=path, remedy="Stop it, or give another database"
            ) from None
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # it holds the raters' secrets
        with closing(_connect(path, "rw")) as connection:
            if not connection.execute("PRAGMA user_version").fetchone()[0]:
                connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
            yield Store(connection)


@contextmanager
def reading(path: Path) -> Iterator[Store]:
    """The database at `path` to look into, while a desk may be writing to it."""
    with closing(_connect(path, "ro")) as connection:
        yield Store(connection)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection to a desk's database; `InputError` where there is none, or the file is something else."""
    if not path.exists():
        raise InputError("nobody rated anything yet", file=path, remedy="`limbeck rate RECIPE` opens a desk")
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, check_same_thread=False)
    try:
        _check(connection, mode)
    except sqlite3.DatabaseError as error:
        connection.close()
        remedy = "Give another file under [rate] database"
        raise InputError(f"not a database of the rating desk ({error})", file=path, remedy=remedy) from None
    connection.row_factory = sqlite3.Row
    return connection


def _check(connection: sqlite3.Connection, mode: str) -> None:
    """Refuse what others made, before anything is written to it."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if version > VERSION or (not version and (tables or mode == "ro")):
        raise sqlite3.DatabaseError("it has not the tables of one")
    if mode == "rw":
        for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {setting}")
