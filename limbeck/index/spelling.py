"""Words that the catalogue knows, and which of them a word that it does not know was meant to be.

Symmetric deletion (Garbe's SymSpell): two words are within d edits only if deleting at most d characters of each can
leave the same. What known words leave is hashed beforehand and memory-mapped, so that a word costs microseconds
however many are known. All that is found is compared letter by letter.
"""

import zlib
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from limbeck.index import columns
from limbeck.signals.tokens import MOST_CHARACTERS, SURFACE, fold, is_word, stem, written
from limbeck.text.queries import plain

LEAST_LETTERS = 4  # of a word that is corrected
TWO_EDITS = 7  # letters from which two edits are allowed, and not one
LEAST_PINS = 2  # that have a word which others are corrected to: a single one may have it misspelt
RATIO = 10  # so many times as usual as what was typed a word has to be
SHORTEST = 3  # letters of a word that others are corrected to
LEAST_HALF = 4  # letters of each of two words that were written as one: of shorter ones too many words can be made
PREFIX = 10  # letters of which some are deleted
_WORDS, _STEMS = "words.arrow", "stems.arrow"


class Spelling:
    """An open vocabulary. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        words = columns.open(folder / _WORDS)
        self._words, self._written = words["word"], words["written"]
        self._pins, self._searches = words["pins"].to_numpy(), words["searches"].to_numpy()
        self._stems = columns.open(folder / _STEMS)["stem"]
        self._left, self._whose = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("left", "whose"))

    def respelled(self, query: str) -> str | None:
        """A plain query with its unknown words corrected; None where there is nothing to correct, or no telling how."""
        parts, end, changed = list[str](), 0, False
        for match in SURFACE.finditer(query):
            better = self.meant(match.group())
            parts += [query[end : match.start()], better or match.group()]
            end, changed = match.end(), changed or better is not None
        return "".join([*parts, query[end:]]) if changed else None

    def meant(self, surface: str) -> str | None:
        """What a word was meant to be, as the catalogue writes it; None where it is known, no word, or like no other.

        Fewer edits come first, then the same first letter, then the more usual word. Two words written as one come
        between one edit and two.
        """
        word = fold(surface)
        if not is_word(surface) or not LEAST_LETTERS <= len(word) <= MOST_CHARACTERS or self.knows(word):
            return None
        ranked = sorted(self._near(word))
        if ranked and ranked[0][0] == 1:
            return self._as_written(ranked[0][-1])
        return self._apart(word) or (self._as_written(ranked[0][-1]) if ranked else None)

    def knows(self, word: str) -> bool:
        """Whether a Pin has a folded word, in any of its forms."""
        return _place(self._stems, stem(word)) is not None

    def _near(self, word: str) -> Iterator[tuple[int, bool, int, int]]:
        """Words that it may have been meant to be: edits, whether they begin otherwise, less than none, their rows."""
        most, own = allowed(len(word)), _place(self._words, word)
        usual = RATIO * (0 if own is None else int(self._searches[own]))
        hashes = np.fromiter(map(_hash, deletions(word, most)), np.uint32)
        begins, ends = np.searchsorted(self._left, hashes), np.searchsorted(self._left, hashes, "right")
        for row in {int(r) for begin, end in zip(begins, ends) for r in self._whose[begin:end]}:
            edits, frequency = distance(word, candidate := self._words[row].as_py()), self._frequency(row)
            if edits <= most and frequency >= usual:
                yield edits, candidate[0] != word[0], -frequency, row

    def _apart(self, word: str) -> str | None:
        """The two known words that were written as one, those that are most usual; None where there are none."""
        cuts = range(LEAST_HALF, len(word) - LEAST_HALF + 1)
        halves = [[_place(self._words, part) for part in (word[:i], word[i:])] for i in cuts]
        whole = [[r for r in rows if r is not None and self._pins[r] >= LEAST_PINS] for rows in halves]
        pairs = [rows for rows in whole if len(rows) == 2]
        if not pairs:
            return None
        best = max(pairs, key=lambda rows: min(map(self._frequency, rows)))
        return " ".join(map(self._as_written, best))

    def _frequency(self, row: int) -> int:
        return int(self._pins[row]) + int(self._searches[row])

    def _as_written(self, row: int) -> str:
        return str(self._written[row].as_py())


def build(pin_texts: Iterable[pa.Table], fields: Sequence[str], searches: Mapping[str, int], out: Path) -> None:
    """Write into `out` the words of Pins (batches of `fields` of pin_texts), and how often they were searched for."""
    pins = _counted(pin_texts, fields)
    asked: Counter[str] = Counter()
    for query, count in searches.items():
        for word in set(written(plain(query))):
            asked[word] += count
    forms: dict[str, Counter[str]] = defaultdict(Counter)
    known, searched = Counter[str](), Counter[str]()
    for form, count in pins.items():
        forms[fold(form)][form] += count
        known[fold(form)] += count
    for form, count in asked.items():
        if is_word(form):
            forms[fold(form)][form] += 0
            searched[fold(form)] += count
    rows = [
        {"word": word, "written": _usual(forms[word]), "pins": known[word], "searches": searched[word]}
        for word in sorted(forms, key=str.encode)
    ]
    _write(rows, out)


def _counted(pin_texts: Iterable[pa.Table], fields: Sequence[str]) -> Counter[str]:
    """In how many Pins each written word is."""
    pins: Counter[str] = Counter()
    for batch in pin_texts:
        for row in batch.select(list(fields)).to_pylist():
            said = " ".join(" ".join(v) if isinstance(v, list) else v for v in row.values() if v)
            pins.update(set(written(plain(said))))
    return Counter({surface: count for surface, count in pins.items() if is_word(surface)})


def _usual(forms: Counter[str]) -> str:
    return min(forms, key=lambda form: (-forms[form], form))


def _write(rows: list[dict[str, Any]], out: Path) -> None:
    schema = pa.schema(
        [("word", pa.string()), ("written", pa.string()), ("pins", pa.int32()), ("searches", pa.int64())]
    )
    columns.save(pa.Table.from_pylist(rows, schema), out / _WORDS)
    stems = sorted({stem(row["word"]) for row in rows if row["pins"]}, key=str.encode)
    columns.save(pa.table({"stem": pa.array(stems, pa.string())}), out / _STEMS)
    targets = [(number, row["word"]) for number, row in enumerate(rows) if row["pins"] >= LEAST_PINS]
    targets = [(number, word) for number, word in targets if SHORTEST <= len(word) <= MOST_CHARACTERS]
    left = ((_hash(rest), row) for row, word in targets for rest in deletions(word, 1 + (len(word) > LEAST_LETTERS)))
    found = np.fromiter(left, dtype=[("left", np.uint32), ("whose", np.int32)])
    found = found[np.lexsort((found["whose"], found["left"]))]
    for name in ("left", "whose"):
        np.save(out / f"{name}.npy", found[name])


def allowed(letters: int) -> int:
    """How many edits a word of so many letters may be away from what it was meant to be."""
    return 2 if letters >= TWO_EDITS else 1


def deletions(word: str, most: int) -> set[str]:
    """What the beginning of a word leaves when at most so many of its characters are deleted; itself too."""
    start = word[:PREFIX]
    sizes = range(max(0, len(start) - most), len(start) + 1)
    return {"".join(rest) for size in sizes for rest in combinations(start, size)}


def distance(one: str, other: str) -> int:
    """Edits between two words: characters inserted, deleted, replaced, or swapped with the next (each pair once)."""
    before, row = list[int](), list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        last, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]


def _place(ordered: pa.StringArray, text: str) -> int | None:
    """Where a text stands among those that are in the order of their UTF-8 bytes."""
    place = bisect_left(ordered, text.encode(), key=lambda scalar: scalar.as_buffer().to_pybytes())
    return place if place < len(ordered) and ordered[place].as_py() == text else None


def _hash(text: str) -> int:
    return zlib.crc32(text.encode())
