"""A Tantivy index of all that Pins say, field by field, and BM25 search in it.

Documents and queries become terms by the same two functions, and a query is built from its terms, never parsed: no text
a user types is syntax. Scripts written without spaces are indexed as single characters and pairs of them. Files are
the same bytes for the same Pins, and are opened without writing to their folder.
"""

import hashlib
import json
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tantivy

from limbeck.index import columns
from limbeck.text.scripts import UNSPACED

BOOSTS = {
    "title": 3.0,
    "engaged_queries": 2.5,
    "caption": 1.5,
    "board_titles": 1.5,
    "link_title": 1.2,
    "description": 1.0,
    "link_description": 0.8,
}
MAX_TERMS = 64  # of a query; what comes after adds time and no precision
_MEMORY = 2_000_000_000  # bytes the writer may fill before it starts another segment; a million Pins need far less
_PIN_IDS = "pin_ids.arrow"
_UNSPACED = re.compile(UNSPACED + "+")


class Lexical:
    """An open index. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        with _view(folder) as view:
            index = tantivy.Index.open(view)
            index.config_reader("manual")
            self._schema, self._searcher = index.schema, index.searcher()
        self.pin_ids = columns.open(folder / _PIN_IDS)["pin_id"]  # row by row

    def search(self, query: str, k: int) -> list[tuple[str, float]]:
        """The `k` Pins that match best, with their scores: highest score first, equal scores by pin_id."""
        rows, scores = self.rows(query, k)
        found = zip(self.pin_ids.take(pa.array(rows)).to_pylist(), scores.tolist())
        return sorted(found, key=lambda hit: (-hit[1], hit[0]))

    def rows(self, query: str, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The same as rows of `pin_ids`, int64 (n,), and scores, float64 (n,); equal ones in any order."""
        asked = query_terms(query)
        if not asked or k < 1:
            return np.zeros(0, np.int64), np.zeros(0)
        hits = self._searcher.search(self._query(asked), k, count=False).hits
        rows = self._searcher.fast_field_values("row", [address for _, address in hits])
        return np.asarray(rows, np.int64), np.asarray([score for score, _ in hits], np.float64)

    def __len__(self) -> int:
        return len(self.pin_ids)

    def having(self, field: str, term: str) -> int:
        """How many Pins have a term in a field."""
        return int(self._searcher.doc_freq(field, term))

    def _query(self, terms: list[str]) -> tantivy.Query:
        """Any of the terms in any of the fields; flat, so that Tantivy can skip what cannot reach the first k."""
        parts = [
            tantivy.Query.boost_query(tantivy.Query.term_query(self._schema, field, term, "freq"), boost)
            for term in terms
            for field, boost in BOOSTS.items()
        ]
        return tantivy.Query.boolean_query([(tantivy.Occur.Should, part) for part in parts])


def open(folder: Path) -> Lexical:
    """The index in `folder`, which may be read-only."""
    return Lexical(folder)


def build(pin_texts: Iterable[pa.Table], out: Path) -> None:
    """Index the shards of `pin_texts` into the empty folder `out`."""
    pin_ids = _write(pin_texts, out)
    columns.save(pa.table({"pin_id": pa.array(pin_ids, pa.string())}), out / _PIN_IDS)
    _name_by_content(out)


def terms(text: str) -> list[str]:
    """The terms of a text, in order, as they are indexed."""
    return list(_ANALYZER.analyze(spaced(text)))


def spaced(text: str) -> str:
    """`text` in Unicode's NFKC form; runs of unspaced script as their characters and pairs of neighbours."""
    sound = text.encode(errors="replace").decode()  # a lone surrogate, which JSON may carry, is no text
    return _UNSPACED.sub(_grams, unicodedata.normalize("NFKC", sound))


def query_terms(query: str) -> list[str]:
    """The different terms of a query that count, in their order."""
    return list(dict.fromkeys(terms(query)))[:MAX_TERMS]


def field_terms(value: Any) -> list[str]:
    """The terms of what a Pin says in a field: nothing, a text, or a list of them."""
    return list(_ANALYZER.analyze(_said(value)))


@contextmanager
def _view(folder: Path) -> Iterator[str]:
    """A folder of links to an index, not needed once all is open: Tantivy puts a lock file beside what it opens."""
    view = tempfile.mkdtemp(prefix="lexical-")
    try:
        for file in folder.iterdir():
            Path(view, file.name).symlink_to(file.resolve())
        yield view
    finally:
        try:
            shutil.rmtree(view)
        except OSError:  # Tantivy's watcher, a thread that locks what was opened once, has just put its lock there
            shutil.rmtree(view)


def _write(pin_texts: Iterable[pa.Table], out: Path) -> list[str]:
    """Tantivy's own files, and the ids by row. The index is closed on return: an open one still locks its folder."""
    index = tantivy.Index(_schema(), str(out), reuse=False, sort_by_field="pin_id")
    index.register_tokenizer("words", _ANALYZER)
    writer = index.writer(_MEMORY, num_threads=1)  # with more, what lies in which segment is up to chance
    pin_ids: list[str] = []
    for shard in pin_texts:
        for batch in shard.to_batches(max_chunksize=1_024):
            for pin in batch.to_pylist():
                writer.add_document(_document(pin, len(pin_ids)))
                pin_ids.append(pin["pin_id"])
    writer.commit()
    writer.wait_merging_threads()
    return pin_ids


def _said(value: Any) -> str:
    return spaced(" ".join(value if isinstance(value, list) else [value or ""]))


def _grams(run: re.Match[str]) -> str:
    characters = run.group()
    return f" {' '.join([*characters, *map(''.join, pairwise(characters))])} "


def _analyzer() -> tantivy.TextAnalyzer:
    keep = tantivy.Filter
    filters = [keep.remove_long(40), keep.lowercase(), keep.ascii_fold(), keep.stemmer("english")]
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    for step in filters:
        builder = builder.filter(step)
    return builder.build()


_ANALYZER = _analyzer()


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("pin_id", fast=True, tokenizer_name="raw", index_option="basic")
    builder.add_unsigned_field("row", fast=True)
    for field in BOOSTS:
        builder.add_text_field(field, tokenizer_name="words", index_option="freq")
    return builder.build()


def _document(pin: dict[str, Any], row: int) -> tantivy.Document:
    document = tantivy.Document()
    document.add_text("pin_id", pin["pin_id"])
    document.add_unsigned("row", row)
    for field in BOOSTS:
        document.add_text(field, _said(pin[field]))
    return document


def _name_by_content(folder: Path) -> None:
    """Replace the random names of segments by digests of what they hold; nothing else in the files is random."""
    meta = json.loads((folder / "meta.json").read_bytes())
    for segment in meta["segments"]:
        old = segment["segment_id"].replace("-", "")
        files = sorted(folder.glob(f"{old}.*"))
        new = hashlib.md5(b"".join(f.read_bytes() for f in files), usedforsecurity=False).hexdigest()
        for file in files:
            file.rename(folder / f"{new}{file.suffix}")
        segment["segment_id"] = "-".join(new[a:b] for a, b in pairwise((0, 8, 12, 16, 20, 32)))
    (folder / "meta.json").write_text(json.dumps(meta, indent=1))
    managed = sorted(f.name for f in folder.iterdir() if f.name != _PIN_IDS and not f.name.startswith("."))
    (folder / ".managed.json").write_text(json.dumps(managed))
    for lock in folder.glob(".*.lock"):
        lock.unlink()
