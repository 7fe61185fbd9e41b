"""A folder of tables and models: shards, atomic commits, and what is up to date.

Layout, under the workspace's root:

    tables/<name>/<key>-<digest>.parquet   one shard; the digest is that of all it was made from
    tables/<name>.json                     the committed table: its shards, their SHA-256, and what it was made from
    <folder name>-<digest>/                a model, an index, a report; <folder name>.json commits it in the same way
    <anything>.partial                     work in progress, never read
    reproduction/<name>/                   the workspaces of variants of the run (reproduce/)

A shard or folder is written beside its place, synced, and renamed; the manifest is replaced last. A run that was killed
at any moment therefore finds either the whole of a shard or nothing, and never computes a committed one again.
"""

import dataclasses
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from limbeck import __version__
from limbeck.errors import InputError, WorkspaceError
from limbeck.progress import track
from limbeck.records import conform, schema

ABSENT = "absent"
FEW_FILES = 50


@dataclass(frozen=True)
class Made:
    """What something was made from: digests of the tables and models that went in, settings, and the code's version."""

    inputs: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    version: str = __version__

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits over all of it."""
        return hashlib.sha256(_canonical(dataclasses.asdict(self)).encode()).hexdigest()[:16]

    def difference(self, other: "Made") -> str:
        """Why a thing made from `other` is not the thing made from `self`, for people."""
        changed = [f"{k} is new" if k not in other.inputs else f"{k} changed" for k in self._changed(other)]
        changed += [f"{k} is no longer used" for k in other.inputs if k not in self.inputs]
        before, after = (_flat(json.loads(_canonical(made.settings))) for made in (other, self))
        for key in sorted(before.keys() | after.keys()):
            was, now = before.get(key, "not set"), after.get(key, "not set")
            if _canonical(was) != _canonical(now):
                changed.append(f"{key} was {was}, is {now}")
        if self.version != other.version:
            changed.append(f"made by version {other.version}")
        return ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")

    def _changed(self, other: "Made") -> list[str]:
        return [k for k, v in self.inputs.items() if other.inputs.get(k) != v]


@dataclass(frozen=True)
class Manifest:
    """What is committed under a name."""

    made: Made
    digest: str
    files: Mapping[str, str]  # file name → SHA-256 of its bytes
    rows: int = 0


class Workspace:
    """A folder in which runs keep their tables, models and reports. Many may read it; one run at a time writes."""

    def __init__(self, root: Path, lender: "Workspace | None" = None) -> None:
        """What the `lender`, on the same disk, has finished from the very same, is taken from it by `borrow`."""
        self.root, self.lender = root, lender

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the workspace for writing, and clear away what an interrupted run left half written."""
        self.root.mkdir(parents=True, exist_ok=True)
        with open(self.root / ".lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                remedy = "Wait for it, or choose another with --workspace"
                raise InputError("another run is using this workspace", file=self.root, remedy=remedy) from None
            for leftover in [*self.root.rglob("*.partial")]:
                _remove(leftover)
            yield

    # -- what is there --

    def has(self, name: str) -> bool:
        """Whether a table ("pins") or folder ("models/teacher") is committed under this name."""
        return self._manifest_path(name).exists()

    def manifest(self, name: str) -> Manifest:
        """What is committed under `name`; `InputError` where nothing is, `WorkspaceError` where it is damaged."""
        path = self._manifest_path(name)
        try:
            data = json.loads(path.read_bytes())
            return Manifest(Made(**data["made"]), data["digest"], data["files"], data["rows"])
        except FileNotFoundError:
            raise InputError(f"no {name} in {self.root}", remedy="`limbeck run RECIPE` makes it") from None
        except (ValueError, KeyError, TypeError) as error:
            raise WorkspaceError(f"{path}: damaged ({error}). Delete it and run again") from None

    def digest(self, name: str) -> str:
        """A digest of the content of a table or folder; "absent" where there is none."""
        return self.manifest(name).digest if self.has(name) else ABSENT

    def made_from(self, inputs: Sequence[str], version: int = 1, **settings: Any) -> Made:
        """What something would be made from now: these tables and models as they are, and these settings.

        `version` is that of the stage's own code: raise it when the same inputs are to give other results.
        """
        plain = json.loads(_canonical(settings))
        return Made({name: self.digest(name) for name in inputs}, plain, f"{__version__}/{version}")

    def outdated(self, name: str, made: Made) -> str | None:
        """Why `name` has to be made (again); None where it is up to date."""
        if not self.has(name):
            return "not made yet"
        try:
            before = self.manifest(name)
        except WorkspaceError:
            return "its manifest is damaged"
        if before.made.digest != made.digest:
            return made.difference(before.made)
        missing = self._missing(name)
        return f"{missing[0]} is gone" if missing else None

    # -- what another workspace has --

    def lent(self, name: str, made: Made) -> bool:
        """Whether the lender has this table or folder, whole, and made from the very same."""
        return self.lender is not None and self.lender.outdated(name, made) is None

    def borrow(self, name: str, made: Made) -> bool:
        """Commit what the lender has made from the very same, by hard links: nothing is computed, no byte is copied.

        False where it has not. No file of either is ever written again once it is there, so sharing them is safe.
        """
        if self.lender is None or not self.lent(name, made):
            return False
        lent, final = self.lender.manifest(name), self._folder(name)
        partial = final / f"{Path(name).name}-{made.digest}.partial"
        _remove(partial)
        for file in lent.files:
            link = partial / file
            link.parent.mkdir(parents=True, exist_ok=True)
            os.link(self.lender._folder(name) / file, link)
        for whole in [*partial.iterdir()] if lent.files else []:  # the shards of a table, or the one folder
            if whole.is_dir():  # one that is there already has lost a file
                _remove(final / whole.name)
            os.rename(whole, final / whole.name)
        _remove(partial)
        _sync(final)
        self._commit(name, made, dict(lent.files), lent.rows)
        return True

    # -- tables --

    def shards(self, table: str) -> list[Path]:
        """The committed shards of a table in order, each checked to have exactly the declared columns."""
        paths = [self._folder(table) / file for file in self.manifest(table).files]
        for path in paths:
            found = _read(path, lambda p: pq.read_schema(p))
            if not found.equals(schema(table)):
                raise WorkspaceError(f"{path}: columns are not those of {table}. Delete the file and run again")
        return paths

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A whole committed table, its shards in order; the empty table if it is an input that is not there."""
        if not self.has(name):
            return schema(name).empty_table().select(list(columns or schema(name).names))
        chosen = list(columns) if columns else None
        parts = [_read(p, lambda p: pq.read_table(p, columns=chosen)) for p in self.shards(name)]
        return pa.concat_tables(parts) if parts else schema(name).empty_table().select(chosen or schema(name).names)

    def previous(self, name: str) -> pa.Table | None:
        """A table that is about to be made again, for the rows that stay the same; None where it cannot be read.

        Where there is none, the lender's.
        """
        if not self.has(name):
            return self.lender.previous(name) if self.lender else None
        try:
            return self.table(name)
        except WorkspaceError:
            return None

    def earlier(self, name: str, made: Made) -> Path | None:
        """A folder that is about to be made again, for what stays the same; None where it is not whole.

        Nor where another version of the code made it.
        """
        try:
            if not self.has(name) or self.manifest(name).made.version != made.version:
                return None
            self.verify(name)
            return self.folder(name)
        except WorkspaceError:
            return None

    def salvageable(self, name: str) -> list[Path]:
        """All shards of a table, committed or not: also what runs that were killed, or made otherwise, left.

        Those of the lender, too, where they are not the same.
        """
        own = sorted(self._folder(name).glob("*.parquet"))
        known = {path.name for path in own}
        return own + [path for path in self.lender.salvageable(name) if path.name not in known] if self.lender else own

    def salvaged(self, name: str, shards: Iterable[Path] | None = None) -> pa.Table:
        """All rows of those of the `shards` that are whole; of all that are `salvageable` where none are given."""
        parts = []
        for path in self.salvageable(name) if shards is None else shards:
            with suppress(WorkspaceError, pa.ArrowException):
                parts.append(_read(path, lambda p: pq.ParquetFile(p).read()).cast(schema(name)))
        return pa.concat_tables([schema(name).empty_table(), *parts])

    def write_table(self, name: str, made: Made, make: Mapping[str, Callable[[], pa.Table]]) -> None:
        """Make a table, shard by shard: those already committed for `made` are kept, the others are made, in order.

        The table that was there before stays readable until all shards are done, and is then replaced at once.
        """
        folder = self._folder(name)
        folder.mkdir(parents=True, exist_ok=True)
        files = {key: folder / f"{key}-{made.digest}.parquet" for key in make}
        missing = [key for key, path in files.items() if not path.exists()]
        with track(name, len(missing), "shards") as advance:
            for key in missing:
                _write_shard(conform(make[key](), name), files[key])
                advance(1)
        self._commit(name, made, {p.name: _sha256(p) for p in files.values()}, _rows(files.values()))

    def write_input(self, name: str, made: Made, shards: Mapping[str, Callable[[], pa.Table]]) -> None:
        """As `write_table`; with no shards at all, the table is removed."""
        if shards:
            self.write_table(name, made, shards)
        elif self.has(name):
            self.remove(name)

    # -- models, indexes, reports --

    def folder(self, name: str) -> Path:
        """The committed folder of a model, index or report."""
        return self._folder(name) / self._version_name(name)

    def version(self, name: str, made: Made) -> Path:
        """Where the folder that is made from this lies, once it is there."""
        return self._folder(name) / f"{Path(name).name}-{made.digest}"

    def write_folder(self, name: str, made: Made, build: Callable[[Path, Path], None]) -> Path:
        """Make a folder: `build(out, scratch)` fills the empty `out`; `scratch` outlives a kill, for checkpoints."""
        final = self.version(name, made)
        partial, scratch = final.with_name(final.name + ".partial"), self.scratch(name, made)
        if final.exists() and self._readable(name) and any(final.name in Path(f).parts for f in self._missing(name)):
            _remove(final)
        if not final.exists():
            _remove(partial)
            partial.mkdir(parents=True)
            scratch.mkdir(exist_ok=True)
            build(partial, scratch)
            _sync_tree(partial)
            os.rename(partial, final)
            _sync(final.parent)
        _remove(scratch)
        files = {str(p.relative_to(final.parent)): _sha256(p) for p in sorted(final.rglob("*")) if p.is_file()}
        self._commit(name, made, files, 0)
        return final

    def scratch(self, name: str, made: Made) -> Path:
        """Where checkpoints are kept while a folder is made."""
        return self._folder(name) / f"{Path(name).name}-{made.digest}.scratch"

    def remove(self, name: str) -> None:
        """Forget a table or folder and delete its files."""
        self._manifest_path(name).unlink(missing_ok=True)
        self._sweep(name, set())

    def verify(self, name: str) -> None:
        """Read every byte of `name` and compare it with the manifest; `WorkspaceError` names the first damaged file."""
        for file, sha in self.manifest(name).files.items():
            path = self._folder(name) / file
            if not path.exists() or _sha256(path) != sha:
                raise WorkspaceError(f"{path}: damaged or missing. Delete it and run again")

    # -- inside --

    def _folder(self, name: str) -> Path:
        """Where the files of `name` lie: a table's own folder, or the folder that holds a model's versions."""
        return self.root / Path(name).parent if "/" in name else self.root / "tables" / name

    def _manifest_path(self, name: str) -> Path:
        return self.root / f"{name}.json" if "/" in name else self.root / "tables" / f"{name}.json"

    def _version_name(self, name: str) -> str:
        return f"{Path(name).name}-{self.manifest(name).made.digest}"

    def _commit(self, name: str, made: Made, files: dict[str, str], rows: int) -> None:
        """Replace the manifest, then delete what it does not name."""
        content = hashlib.sha256("".join(files.values()).encode()).hexdigest()[:16]
        data = {"made": dataclasses.asdict(made), "digest": content, "files": files, "rows": rows}
        _write_bytes(json.dumps(data, indent=1, ensure_ascii=False).encode(), self._manifest_path(name))
        self._sweep(name, {Path(f).parts[0] for f in files} | {f"{Path(name).name}-{made.digest}"})

    def _sweep(self, name: str, keep: set[str]) -> None:
        """Delete the other versions of `name`, also what a killed run left of one that is no longer wanted."""
        stem = re.escape(Path(name).name) if "/" in name else ".*"
        version = re.compile(rf"{stem}-[0-9a-f]{{16}}(\.parquet|\.scratch)?")
        folder = self._folder(name)
        for path in folder.iterdir() if folder.exists() else ():
            if version.fullmatch(path.name) and path.name not in keep:
                _remove(path)

    def _missing(self, name: str) -> list[str]:
        """The committed files of `name` that are not there."""
        return [f for f in self.manifest(name).files if not (self._folder(name) / f).exists()]

    def _readable(self, name: str) -> bool:
        try:
            return bool(self.manifest(name))
        except (InputError, WorkspaceError):
            return False


def digest_of(*parts: str) -> str:
    """Sixteen hexadecimal digits over some texts; a text's end cannot be mistaken for the next one's start."""
    return hashlib.sha256("\x00".join(f"{len(p)}:{p}" for p in parts).encode()).hexdigest()[:16]


def digest_of_rows(rows: pa.Table) -> str:
    """Sixteen hexadecimal digits over the rows of a table, whatever files they came from."""
    sink = pa.BufferOutputStream()
    copied = rows.take(pa.array(range(rows.num_rows), pa.int64()))  # a slice may show bits of its neighbours
    with pa.ipc.new_stream(sink, rows.schema.remove_metadata()) as stream:
        stream.write_table(copied.replace_schema_metadata().combine_chunks())
    return hashlib.sha256(sink.getvalue()).hexdigest()[:16]


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    """Settings dataclasses as dictionaries, for JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        deeper = isinstance(value, Mapping) and value
        flat |= _flat(value, f"{prefix}{key}.") if deeper else {f"{prefix}{key}": value}
    return flat


def _write_shard(rows: pa.Table, path: Path) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd")
    _write_bytes(sink.getvalue().to_pybytes(), path)


def _write_bytes(data: bytes, path: Path) -> None:
    """Write a file so that it is there whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    with open(partial, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.rename(partial, path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_tree(folder: Path) -> None:
    """Bring a folder's files to the disk; beyond a few, one sync of everything is many times faster than one each."""
    paths = [*folder.rglob("*"), folder]
    if len(paths) > FEW_FILES:
        os.sync()
    else:
        for path in paths:
            _sync(path)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rows(paths: Any) -> int:
    return sum(_read(p, pq.read_metadata).num_rows for p in paths)


def _read(path: Path, reader: Callable[[Path], Any]) -> Any:
    """Read a shard, or say which one cannot be read and what to do."""
    try:
        return reader(path)
    except (OSError, ValueError, pa.ArrowException) as error:  # a damaged column name is no UTF-8: a ValueError
        reason = str(error).splitlines()[0]
        raise WorkspaceError(f"{path}: cannot be read ({reason}). Delete it and run again") from None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
