"""Text to terms, the same for queries and Pins, in any script; nothing here knows a language.

Accents are folded, numbers stand apart from letters, words lose their English endings, scripts written without spaces
become characters and pairs of them.
"""

import functools
import re
import unicodedata

import regex
import Stemmer

from limbeck.text.scripts import UNSPACED

MOST_CHARACTERS = 40  # of a word or a number: what is longer is no word, and its rest is not read
_NUMBER = r"\d{1,3}(?:,\d{3})+(?!\d)|\d+(?:[./]\d+)*"
_WORD = rf"[^\W\d_](?:(?!{UNSPACED})[\p{{L}}\p{{M}}])*"
SURFACE = regex.compile(rf"{UNSPACED}+|{_NUMBER}|{_WORD}")
_PLAIN = re.compile(rf"{_NUMBER}|[A-Za-z]+", re.ASCII)  # the same in ASCII, in a third of the time
_STARTS_UNSPACED = regex.compile(UNSPACED)
_HAN = regex.compile(r"\p{Han}")
_OTHER_DIGIT = re.compile(r"(?![0-9])\d")  # re knows the digits that unicodedata knows, regex newer ones
_VULGAR = regex.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")  # "1½" is not "11/2"
# Accents, which NFKD sets apart, and the vowel points and tatweel that Hebrew and Arabic are mostly written without.
_MARKS = regex.compile("[\u0300-\u036f\u0591-\u05c7\u0640\u064b-\u065f\u0670]+")
_IRREGULAR = {
    **{f"{start}ves": f"{start}f" for start in ("shel", "lea", "hal", "wol", "cal", "loa", "thie", "sel", "el", "hoo")},
    **{f"{start}ves": f"{start}fe" for start in ("kni", "wi", "li")},
    "feet": "foot",
    "men": "man",
    "women": "woman",
    "children": "child",
    "teeth": "tooth",
    "mice": "mouse",
    "geese": "goose",
}
_stemmer = Stemmer.Stemmer("english", maxCacheSize=0)


def terms(text: str) -> list[str]:
    """The terms of a text, in order. "3/4in LED lights" gives 3/4, in, led, light; 東京塔 gives 東, 東京, 京, ..."""
    return [term for surface in surfaces(text) for term in terms_of(surface)]


def surfaces(text: str) -> list[str]:
    """The words, numbers and unspaced runs of a text, folded, in order."""
    return written(fold(text))


def written(text: str) -> list[str]:
    """The words, numbers and unspaced runs of a text as they are written, in order."""
    found: list[str] = (_PLAIN if text.isascii() else SURFACE).findall(text)
    return found


def terms_of(surface: str) -> tuple[str, ...]:
    """The terms of one word, number or unspaced run."""
    if _STARTS_UNSPACED.match(surface):
        return _of_run(surface)
    return (surface.replace(",", "")[:MOST_CHARACTERS] if is_number(surface) else stem(surface[:MOST_CHARACTERS]),)


def _of_run(run: str) -> tuple[str, ...]:
    """Pairs of neighbouring characters, and Han characters by themselves too: many of them are words."""
    if len(run) == 1:
        return (run,)
    found: list[str] = []
    for here, following in zip(run, [*run[1:], ""]):
        found += [here] if _HAN.match(here) else []
        found += [here + following] if following else []
    return tuple(found)


def fold(text: str) -> str:
    """Lower case, one form of each character, no accents and no vowel points."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", _VULGAR.sub(" ", text)).casefold())
    bare = unicodedata.normalize("NFC", _MARKS.sub("", parts)).replace("⁄", "/")
    return _OTHER_DIGIT.sub(lambda found: str(unicodedata.decimal(found[0])), bare)


@functools.lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """A folded word without its English ending; one that is not in Latin letters stays as it is."""
    return _stemmer.stemWord(_IRREGULAR.get(word, word)) if word.isascii() else word


def is_number(term: str) -> bool:
    """Whether a term is a number: "12", "3/4", "1.5"."""
    return term[:1].isdigit()


def is_word(surface: str) -> bool:
    """Whether a surface is a word in a script with spaces."""
    return not is_number(surface) and not _STARTS_UNSPACED.match(surface)
