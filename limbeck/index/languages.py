"""The language of a few words, learnt from what the workspace's own Pins and searches say theirs is.

Naive Bayes over the parts of words, their beginnings and ends marked: one to four characters, and whole words (Cavnar
and Trenkle 1994; Lui and Baldwin 2012 chose it for short texts). A script that one language alone is written in tells
it without having been learnt. Where there is little to go by the answer is that it is not known.
"""

import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import regex

from limbeck.signals.tokens import is_number, is_word, written
from limbeck.text.queries import plain

PARTS = 4  # characters of the longest part of a word
BUCKETS = 1 << 16  # parts are told apart by their hashes
SMOOTHING = 0.5  # how often a part counts as seen before it was
LEAST_TEXTS = 10  # of a language that is learnt
LEAST_KNOWN = 0.5  # share of the parts that some language has
SURE = 0.8  # probability from which a language is said
# A letter of a word is in several of its parts, which say the same over again: so many are taken for one.
REPEATED = 3.0
# Scripts that are, among living languages with many readers, those of one.
ALONE = {
    "ja": r"\p{Hiragana}|\p{Katakana}",
    "ko": r"\p{Hangul}",
    "th": r"\p{Thai}",
    "el": r"\p{Greek}",
    "ka": r"\p{Georgian}",
    "hy": r"\p{Armenian}",
    "km": r"\p{Khmer}",
    "lo": r"\p{Lao}",
    "my": r"\p{Myanmar}",
}
_ALONE = {language: regex.compile(f"(?:{script}){{2}}") for language, script in ALONE.items()}
_TABLE, _NAMES = "parts.npy", "languages.json"


class Languages:
    """A learnt model; with none, scripts alone tell languages. Threads may share it."""

    def __init__(self, names: list[str] | None = None, seen: np.ndarray | None = None) -> None:
        """`seen` (parts' hashes, languages): how often parts were seen; the last row is of whole texts."""
        self.names = names if names and len(names) > 1 and seen is not None else []
        if self.names and seen is not None:
            counts, texts = seen[:-1], seen[-1]
            self._seen = np.asarray(counts.any(axis=1))
            smooth = np.log(counts + SMOOTHING) - np.log(counts.sum(axis=0) + SMOOTHING * max(1, self._seen.sum()))
            self._told, self._prior = smooth.astype(np.float32), np.log(texts / texts.sum())

    def of(self, query: str) -> str | None:
        """The language of a plain query; None where that is not known, or not sure."""
        for language, script in _ALONE.items():
            if script.search(query):
                return language
        probabilities = self.probabilities(query)
        best = max(probabilities, key=probabilities.__getitem__, default="")
        return best if probabilities.get(best, 0.0) >= SURE else None

    def probabilities(self, query: str) -> dict[str, float]:
        """How probable each language is; none at all where too few of the words' parts have ever been seen."""
        hashes = [h for surface in written(query) for h in _hashes(surface)]
        if not self.names or not hashes:
            return {}
        seen = self._seen[hashes]
        if seen.mean() < LEAST_KNOWN:
            return {}
        scores = self._prior + self._told[hashes][seen].sum(axis=0) / REPEATED
        shares = np.exp(scores - scores.max())
        return dict(zip(self.names, (shares / shares.sum()).tolist()))


def learn(texts: Iterable[tuple[str, str]], out: Path) -> None:
    """Write into `out` what texts, each with its language, say of languages that have enough of them."""
    words: dict[str, Counter[str]] = defaultdict(Counter)
    number: Counter[str] = Counter()
    for text, language in texts:
        number[language.lower()] += 1
        words[language.lower()].update(written(plain(text)))
    names = sorted(name for name, count in number.items() if count >= LEAST_TEXTS)
    seen = np.zeros((BUCKETS + 1, len(names)), np.float32)
    for column, name in enumerate(names):
        for surface, count in words[name].items():
            for part in _hashes(surface):
                seen[part, column] += count
        seen[-1, column] = number[name]
    np.save(out / _TABLE, seen)
    (out / _NAMES).write_text(json.dumps(names), encoding="utf-8")


def open(folder: Path) -> Languages:
    """What `learn` wrote."""
    names = json.loads((folder / _NAMES).read_text(encoding="utf-8"))
    return Languages(names, np.load(folder / _TABLE))


def _hashes(surface: str) -> Iterator[int]:
    """The parts of a word, as rows of the table; numbers have none, unspaced runs their characters and pairs."""
    if is_number(surface):
        return
    marked, longest = (f"<{surface}>", PARTS) if is_word(surface) else (surface, 2)
    for size in range(1, longest + 1):
        for begin in range(len(marked) - size + 1):
            yield zlib.crc32(marked[begin : begin + size].encode()) % BUCKETS
    if is_word(surface):
        yield zlib.crc32(f"={surface}".encode()) % BUCKETS
