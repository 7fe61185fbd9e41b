"""Text to terms in any script: accents folded, numbers apart, English stemmed, unspaced scripts in pairs."""

import functools
import re
import unicodedata

import Stemmer

from limbeck.text.scripts import UNSPACED

_stemmer = Stemmer.Stemmer("english", maxCacheSize=0)
_WORD = re.compile(rf"({UNSPACED}+)|(\d+(?:[./]\d+)*)|([^\W\d_]+)")


def terms(text: str) -> list[str]:
    """The terms of a text, in order. "3/4in LED lights" gives 3/4, in, led, light; 東京塔 gives 東京, 京塔."""
    found: list[str] = []
    for unspaced, number, word in _WORD.findall(fold(text)):
        found += _pairs(unspaced) if unspaced else [number or _stem(word)]
    return found


def fold(text: str) -> str:
    """Lower case, one form of each character, and no accents on Latin, Greek and Cyrillic letters."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(c for c in parts if not "\u0300" <= c <= "\u036f")
    return unicodedata.normalize("NFC", bare)


def trigrams(term: str) -> list[int]:
    """Distinct character trigrams of a term with its ends marked, hashed to 31 bits, ascending."""
    marked = f"<{term}>"
    return sorted({_hash(marked[i : i + 3]) for i in range(max(1, len(marked) - 2))})


def is_number(term: str) -> bool:
    """Whether a term is a number: "12", "3/4", "1.5"."""
    return term[:1].isdigit()


def _pairs(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


@functools.lru_cache(maxsize=200_000)
def _stem(word: str) -> str:
    return _stemmer.stemWord(word) if word.isascii() else word


def _hash(gram: str) -> int:
    """FNV-1a over code points: the same on every machine, unlike `hash`."""
    value = 2166136261
    for character in gram:
        value = ((value ^ ord(character)) * 16777619) & 0xFFFFFFFF
    return value >> 1
