"""All that a Pin says, from the tables: `prepare` once over all of them, then `bucket` by bucket of pin_id.

A token's weight on a Pin is tf-idf: what users did, times log(Pins / Pins with the token). The window reaches back from
the newest save or search, not from today, so that reruns agree.
"""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import daft
import pyarrow as pa
import pyarrow.parquet as pq
from daft import DataFrame, DataType, col, lit

from limbeck import records
from limbeck.progress import track
from limbeck.settings import Text
from limbeck.text import boards, captions, engaged_queries, links, tables
from limbeck.text.tables import Files
from limbeck.workspace import digest_of

BOARD_TITLES, ENGAGED_QUERIES = "board_titles", "engaged_queries"
_EVIDENCE = pa.schema([("pin_id", pa.string()), ("token", pa.string()), ("weight", pa.float64())])
_RARITY = pa.schema([("token", pa.string()), ("rarity", pa.float64())])
_PIN = ("pin_id", "title", "description", "link")
_MILLIONTHS, _DIGITS = 10**6, 18


def prepare(files: Files, settings: Text, out: Path, scratch: Path) -> None:
    """Fill the folder `out` with what `bucket` needs: evidence by bucket, and how rare each token is overall.

    Saves and impressions are read once and parted by bucket in `scratch`; memory is that of one bucket.
    """
    since = _newest(files) - timedelta(days=settings.window_days)
    pins = sum(pq.read_metadata(p).num_rows for p in files["pins"])
    with track("evidence", 2 * settings.buckets, "buckets") as advance:
        for source, rows, agree in (
            (BOARD_TITLES, boards.saved(files, since), lambda r: boards.evidence(r, settings.min_users)),
            (ENGAGED_QUERIES, engaged_queries.engaged(files, since), lambda r: engaged_queries.evidence(r, settings)),
        ):
            parted = _parted(rows, settings.buckets, scratch / source)
            for number, part in enumerate(parted):
                _write(agree(part).sort(["pin_id", "token"]), _EVIDENCE, _evidence_file(out, source, number))
                advance(1)
            _write_rarity(out, source, settings.buckets, pins)


def bucket(files: Files, prepared: Path, settings: Text, number: int) -> pa.Table:
    """The `pin_texts` rows of one bucket of Pins (`tables.bucket_of`), by pin_id; `prepare` has filled `prepared`."""
    pins = tables.read(files, "pins", _PIN).where(tables.bucket_of(settings.buckets) == lit(number))
    rows = captions.join(links.join(pins, files), files)
    for source, top in ((BOARD_TITLES, settings.top_board_titles), (ENGAGED_QUERIES, settings.top_engaged_queries)):
        rows = rows.join(_ranked(prepared, source, number, top), on="pin_id", how="left")
    texts = [f.name for f in records.schema("pin_texts") if f.name != "digest"]
    return _with_digest(rows.select(*texts).sort("pin_id").to_arrow())


def _newest(files: Files) -> datetime:
    """The time of the newest save or search; the epoch where there is neither."""
    newest = datetime.fromtimestamp(0, UTC)
    for table, column in (("saves", "saved_at"), ("impressions", "searched_at")):
        found = tables.read(files, table, [column]).agg(col(column).max()).to_pydict()[column][0]
        newest = max(newest, found or newest)
    return newest


def _parted(rows: DataFrame, buckets: int, folder: Path) -> list[DataFrame]:
    """`rows` by bucket, by way of the disk."""
    if folder.exists():
        shutil.rmtree(folder)
    wanted = rows.schema().to_pyarrow_schema()
    rows.with_column("bucket", tables.bucket_of(buckets)).write_parquet(str(folder), partition_cols=["bucket"])
    return [tables.scan(sorted(folder.glob(f"bucket={n}/*.parquet")), wanted) for n in range(buckets)]


def _write(rows: DataFrame, schema: pa.Schema, path: Path) -> None:
    pq.write_table(rows.select(*schema.names).to_arrow().combine_chunks().cast(schema), path, compression="zstd")


def _evidence_file(folder: Path, source: str, number: int) -> Path:
    return folder / f"{source}-{number:04d}.parquet"


def _write_rarity(out: Path, source: str, buckets: int, pins: int) -> None:
    """For each token, log(Pins / Pins with the token): 0 for one that every Pin has."""
    rows = tables.scan([_evidence_file(out, source, n) for n in range(buckets)], _EVIDENCE)
    counts = rows.groupby("token").agg(col("pin_id").count().cast(DataType.float64()).alias("pins"))
    rarity = (lit(float(pins)) / col("pins")).ln().clip(min=lit(0.0))  # saves may be of Pins that are gone
    _write(counts.select("token", rarity.alias("rarity")).sort("token"), _RARITY, out / f"{source}.parquet")


def _ranked(prepared: Path, source: str, number: int, top: int) -> DataFrame:
    """pin_id and, under the name of the source, its `top` tokens: heaviest first, then by text.

    Daft sorts no structs and orders no list_agg: what is sorted is the weight's zero-padded complement and the token.
    """
    evidence = tables.scan([_evidence_file(prepared, source, number)], _EVIDENCE)
    rows = evidence.join(tables.scan([prepared / f"{source}.parquet"], _RARITY), on="token")
    score = (col("weight") * col("rarity") * _MILLIONTHS).round().cast(DataType.int64())
    rank = (lit(10**_DIGITS - 1) - score).cast(DataType.string()).lpad(_DIGITS, "0")
    keys = rows.select("pin_id", (rank + col("token")).alias("key")).groupby("pin_id").agg(col("key").list_agg())
    tokens = col("key").list_sort().slice(0, top).list_map(daft.element().substr(_DIGITS))
    return keys.select("pin_id", tokens.alias(source))


def _with_digest(rows: pa.Table) -> pa.Table:
    """The rows as `pin_texts`, lists that are missing made empty."""
    wanted = records.schema("pin_texts")
    texts = rows.to_pylist()
    for row in texts:
        for source in (BOARD_TITLES, ENGAGED_QUERIES):
            row[source] = row[source] or []
        row["digest"] = digest_of(json.dumps([row[f] for f in wanted.names[1:-1]], ensure_ascii=False))
    return pa.Table.from_pylist(texts, schema=wanted)
