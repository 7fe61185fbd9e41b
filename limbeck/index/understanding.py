"""What queries are understood by: the catalogue's and the log's words, and how languages look in them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from limbeck.index import languages, spelling, typed
from limbeck.index.languages import Languages
from limbeck.index.lexical import BOOSTS
from limbeck.index.spelling import Spelling
from limbeck.workspace import Workspace

NAME = "index/understanding"
VERSION = 1  # raise it when the same tables are to give other words or languages
TEXTS_PER_LANGUAGE = 50_000  # of Pins; more say little more
Batches = Callable[[str], Iterable[pa.Table]]


@dataclass(frozen=True)
class Understanding:
    """Spelling and languages; without a vocabulary, nothing is corrected."""

    spelling: Spelling | None
    languages: Languages


def build(batches: Batches, impressions: Iterable[Path], out: Path) -> None:
    """Learn from a workspace's `pin_texts` and `pins`, in batches, and from its log, into the folder `out`."""
    asked = typed.count(impressions)
    searches: Counter[str] = Counter()
    for (query, _), count in asked.items():
        searches[query] += count
    spelling.build(batches("pin_texts"), tuple(BOOSTS), searches, out)
    stated = [(query, language) for query, language in asked if language]
    languages.learn([*_said(batches("pins")), *stated], out)


def open(ws: Workspace) -> Understanding:
    """What `build` wrote into the workspace; without it, scripts alone tell languages."""
    if not ws.has(NAME):
        return Understanding(None, Languages())
    folder = ws.folder(NAME)
    return Understanding(Spelling(folder), languages.open(folder))


def _said(pins: Iterable[pa.Table]) -> Iterator[tuple[str, str]]:
    """Texts of Pins that say which language they are in, with it."""
    number: Counter[str] = Counter()
    for batch in pins:
        for pin in batch.select(["title", "description", "language"]).to_pylist():
            text, language = " ".join(filter(None, (pin["title"], pin["description"]))), pin["language"]
            if text and language and number[language] < TEXTS_PER_LANGUAGE:
                number[language] += 1
                yield text, language
