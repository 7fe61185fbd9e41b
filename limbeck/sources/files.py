"""Any file of rows, read in batches of texts: CSV, TSV, JSON lines or Parquet; plain, zipped or gzipped.

Every value is handed on as text, as the file writes it; `values.py` makes numbers and dates of them. Rows are numbered
as a user counts them: from 1, the header of a CSV file being row 1, blank lines counted though they are no rows.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from limbeck.errors import InputError
from limbeck.sources import delimited, jsonlines, parquet
from limbeck.sources.batch import Batch, File, nearest
from limbeck.sources.bytestream import inner_name
from limbeck.settings import TableMapping

_FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
