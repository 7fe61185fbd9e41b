"""What raters said, for others to read: judgments, TREC qrels, and CSV that no spreadsheet takes for formulas.

An adjudicated pair has one judgment, the administrator's. Gold pairs have none: their levels were known before.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from limbeck.errors import InputError
from limbeck.measure import trec
from limbeck.rate.store import ADMIN, Answer, Pair, Store
from limbeck.records import schema
from limbeck.relevance import aggregate

FILES = ("judgments.parquet", "judgments.csv", "qrels.txt", "queries.tsv", "history.csv")
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # what OWASP's "CSV Injection" lists, and the full-width twins


def judgments(store: Store, test: bool | None = None) -> pa.Table:
    """The judgments that stand; with `test`, only those of test pairs, or only the others."""
    pairs = {p.pair: p for p in store.pairs() if p.gold is None and test in (None, p.test)}
    answers = [a for a in store.answers() if a.level is not None and a.pair in pairs]
    settled = {a.pair for a in answers if a.person == ADMIN}
    said = (a for a in answers if a.pair not in settled or a.person == ADMIN)
    rows = [_row(pairs[a.pair], a) for a in said]
    return pa.Table.from_pylist(rows, schema=schema("judgments")).sort_by(
        [(name, "ascending") for name in ("query", "pin_id", "rater_id")]
    )


def write(store: Store, folder: Path) -> None:
    """Write every file of `FILES` into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = judgments(store)
    if not rows.num_rows:
        raise InputError("nothing is rated yet", remedy="Open a rater's link and rate some pairs")
    pq.write_table(rows, folder / "judgments.parquet", compression="zstd")
    trec.write(folder, {}, aggregate(rows))
    (folder / "judgments.csv").write_text(to_csv(rows.to_pylist(), rows.column_names), encoding="utf-8", newline="")
    history = store.history()
    (folder / "history.csv").write_text(to_csv(history, list(history[0])), encoding="utf-8", newline="")


def to_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as CSV (RFC 4180, CRLF), every text made safe for spreadsheets."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns)
    writer.writeheader()
    writer.writerows({name: _cell(row[name]) for name in columns} for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    """A text that a spreadsheet might run gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.lstrip(" '\"").startswith(_FORMULA) else value


def _row(pair: Pair, answer: Answer) -> dict[str, Any]:
    return {
        "query": pair.query,
        "pin_id": pair.pin_id,
        "rater_id": answer.person,
        "level": answer.level,
        "judged_at": answer.at,
        "language": pair.language,
        "country": pair.country,
    }
