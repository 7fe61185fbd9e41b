"""Which row of a column of texts has a given text: a hash table on the disk beside the column, both memory-mapped.

Opening reads nothing, asking touches a few pages, and processes share what was read: a dict of a million ids takes a
second and 150 MB in each. Open addressing, at most half full; the first of equal texts is the one that is found.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from limbeck import ahead, compiled
from limbeck.errors import WorkspaceError

EMPTY = np.uint32(0xFFFFFFFF)
_TOGETHER = 256  # texts that are looked for step by step
REMEMBERED = 65_536  # single texts whose rows are kept in memory
_COLUMN = "text"
Held = tuple[np.ndarray, np.ndarray, np.ndarray]  # characters, where each text begins, slots


class Inside(Sequence[str]):
    """Texts that stand in UTF-8 within something longer. Who asks for one gets a string; rows are found without any."""

    def __init__(self, characters: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> None:
        """The characters, uint8, and where the texts in them begin and end, int64 (n,) both."""
        self.characters, self.begins, self.ends = characters, begins, ends

    @classmethod
    def in_a_row(cls, characters: np.ndarray, ends: np.ndarray) -> "Inside":
        """Texts that stand one after the other and end there, after the first of (n + 1,), where the first begins."""
        return cls(characters, ends[:-1], ends[1:])

    def __len__(self) -> int:
        return len(self.begins)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return Inside(self.characters, self.begins[place], self.ends[place])
        return self.characters[self.begins[place] : self.ends[place]].tobytes().decode(errors="surrogatepass")


class Lookup:
    """A column of texts, and where each of them is. Threads may share it."""

    def __init__(self, texts: pa.Array, slots: np.ndarray) -> None:
        """`texts` are non-null strings; `slots` is what `table` made of them."""
        self.texts = texts
        _, offsets, data = texts.buffers()
        begins = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1] if len(texts) else _NONE
        characters = np.frombuffer(data, np.uint8) if data is not None and data.size else _NOTHING
        self._held = characters.view(), begins.view(), slots.view()
        for each in self._held:
            each.setflags(write=False)  # as what is mapped: the kernel is compiled once
        # Of what is held, not of `self`: in a circle with itself, it would stay mapped until the collector comes by.
        self._row = functools.lru_cache(REMEMBERED)(functools.partial(_row_of, self._held))

    def __len__(self) -> int:
        return len(self.texts)

    def __contains__(self, text: object, /) -> bool:
        return isinstance(text, str) and self._row(text) >= 0

    def get(self, text: str, default: int = -1, /) -> int:
        """The row of a text; `default` where it is not there."""
        row = self._row(text)
        return default if row < 0 else row

    def rows(self, texts: Sequence[str]) -> np.ndarray:
        """The rows of texts, int64 (n,); −1 for those that are not there."""
        return _found(_inside(texts), self._held)

    def rows_of(self, texts: pa.Array) -> np.ndarray:
        """As `rows`, of a column of strings without nulls."""
        other = Lookup(texts, self._held[2])._held
        return _found(Inside.in_a_row(other[0], other[1].astype(np.int64)), self._held)

    def of(self, rows: np.ndarray) -> list[str]:
        """The texts in these rows."""
        found: list[str] = self.texts.take(pa.array(rows, pa.int64())).to_pylist()
        return found


_NONE, _NOTHING = np.zeros(1, np.int32), np.zeros(1, np.uint8)


def of(texts: Sequence[str] | pa.Array) -> Lookup:
    """A column in memory."""
    column = _plain(texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string()))
    return Lookup(column, table(column))


def save(texts: Sequence[str] | pa.Array, folder: Path, name: str) -> None:
    """Write a column and its table into a folder, under a name."""
    found = of(texts)
    with pa.ipc.new_file(str(folder / f"{name}.arrow"), pa.schema([(_COLUMN, pa.string())])) as writer:
        writer.write_batch(pa.record_batch([found.texts], [_COLUMN]))
    np.save(folder / f"{name}.slots.npy", found._held[2], allow_pickle=False)


def open(folder: Path, name: str) -> Lookup:
    """What `save` wrote, memory-mapped."""
    try:
        [batch] = pa.ipc.open_file(pa.memory_map(str(folder / f"{name}.arrow"))).read_all().to_batches() or [_EMPTY]
        slots = np.asarray(np.load(folder / f"{name}.slots.npy", mmap_mode="r"))
    except (ValueError, OSError, pa.ArrowInvalid) as error:
        raise WorkspaceError(f"{folder / name}: cannot be read ({error}). Delete it and run again") from None
    if len(slots) < 2 * batch.num_rows or len(slots) & (len(slots) - 1):
        raise WorkspaceError(f"{folder / name}: the table is not that of the column. Delete it and run again")
    return Lookup(batch.column(0), slots)


_EMPTY = pa.record_batch([pa.nulls(0, pa.string())], [_COLUMN])


def table(texts: pa.Array) -> np.ndarray:
    """The slots of a column of strings: uint32, a power of two of them, each the number of a row or EMPTY."""
    slots = np.full(1 << max(1, (2 * len(texts)).bit_length()), EMPTY, dtype=np.uint32)
    if len(texts):
        characters, begins, _ = Lookup(texts, slots)._held
        _fill(characters, begins, slots)
    return slots


def _plain(column: pa.Array) -> pa.Array:
    """A copy that begins at the beginning of its buffers: a slice would write those of all it was cut from."""
    return pa.concat_arrays([column, pa.array([], pa.string())]) if column.offset else column


def _inside(texts: Sequence[str]) -> Inside:
    """The texts as what they are in memory, one after the other."""
    if isinstance(texts, Inside):
        return texts
    joined, parts = "".join(texts), texts
    if not joined.isascii():
        parts = [_bytes(text) for text in texts]  # type: ignore[misc]
    ends = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, parts), np.int64, len(texts)), out=ends[1:])
    return Inside.in_a_row(np.frombuffer(_bytes(joined) or b"\x00", np.uint8), ends)


def _found(asked: Inside, held: Held) -> np.ndarray:
    """The rows of the texts."""
    out, firsts = np.empty(len(asked), np.int64), np.empty(_TOGETHER, np.int64)
    _rows((asked.characters, asked.begins, asked.ends), held, firsts, out)
    return out


def _row_of(held: Held, text: str) -> int:
    return int(_found(_inside([text]), held)[0])


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


@compiled.kernel
def _fill(characters, begins, slots):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    for row in range(len(begins) - 1):
        first = _first(characters, begins[row], begins[row + 1], slots)
        slot, found = _slot(first, characters, begins[row], begins[row + 1], characters, begins, slots)
        if found < 0:
            slots[slot] = row


@compiled.kernel
def _rows(texts, held, firsts, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Some at a time, step by step: what the next step reads of each is fetched while the others have this one."""
    (asked, froms, ends), (characters, begins, slots) = texts, held
    for start in range(0, len(out), _TOGETHER):
        some = range(min(_TOGETHER, len(out) - start))
        for i in some:
            firsts[i] = _first(asked, froms[start + i], ends[start + i], slots)
            ahead.fetch(slots.ctypes.data + slots.itemsize * firsts[i])
        for i in some:
            ahead.fetch(begins.ctypes.data + begins.itemsize * np.int64(slots[firsts[i]]))
        for i in some:
            row = np.int64(slots[firsts[i]])
            if row < len(begins):
                ahead.fetch(characters.ctypes.data + np.int64(begins[row]))
        for i in some:
            begin, end = froms[start + i], ends[start + i]
            _, out[start + i] = _slot(firsts[i], asked, begin, end, characters, begins, slots)


@compiled.within
def _first(asked, begin, end, slots):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The slot at which to look for a text first. FNV-1a, its bits mixed once more."""
    value = np.uint64(14695981039346656037)
    for i in range(np.uint64(begin), np.uint64(end)):  # unsigned, or it is seen to whether each place is negative
        value = (value ^ np.uint64(asked[i])) * np.uint64(1099511628211)
    value ^= value >> np.uint64(32)
    return np.int64(value & np.uint64(len(slots) - 1))


@compiled.within
def _slot(slot, asked, begin, end, characters, begins, slots):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The slot of a text, from its first one on, and the row there: −1 where the slot is empty."""
    while slots[slot] != EMPTY:
        row = np.int64(slots[slot])
        if row < len(begins) - 1 and _same(asked, begin, end, characters, begins[row], begins[row + 1]):
            return slot, row
        slot = (slot + 1) & (len(slots) - 1)
    return slot, np.int64(-1)


@compiled.within
def _same(asked, begin, end, characters, a, b):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    if b - a != end - begin:
        return False
    there = np.uint64(a) - np.uint64(begin)
    for here in range(np.uint64(begin), np.uint64(end)):  # noqa: SIM110 -- compiled, a generator is no faster
        if asked[here] != characters[here + there]:
            return False
    return True
