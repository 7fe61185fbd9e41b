"""Resident memory while a teacher labels many pairs: is it flat, and what does a pair that waits cost?

    pip install -e ".[backbone]"
    python benchmarks/labelling_memory.py --pairs 100000 1000000 --picture docs/labelling-memory.svg

Each size is measured in a process of its own: a workspace of composed texts (about 60 words), pairs of them with random
queries, and a teacher of two small random layers that reads 32 tokens of a real vocabulary, so that a million pairs
take minutes. The stage's own code labels them, and after every shard the resident memory is noted (`--csv`).
The weights of a real teacher come on top. `--known` gives that share of the pairs an answer of an earlier run.
"""

import argparse
import csv
import functools
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from transformers import AutoTokenizer, BertConfig, BertModel

from limbeck import labelling
from limbeck.backbone import find
from limbeck.measure.svg import element, linear, marker, picture, ticks
from limbeck.records import PROBABILITIES, schema
from limbeck.relevance import to_columns
from limbeck.settings import Labels, Teacher
from limbeck.teacher import model as teacher_model
from limbeck.training import quiet
from limbeck.workspace import Made, Workspace, digest_of

MIB, WORDS, ROWS_PER_SHARD = 2**20, 60, 50_000
FIELDS = ("pairs", "done", "seconds", "mib")
STYLE = (
    "text { font: 12px sans-serif; fill: #444 } .grid { stroke: #ddd } .line { fill: none; stroke-width: 2 }"
    " .s0 { stroke: #1b6ca8 } .s1 { stroke: #c4531d } .s2 { stroke: #3d8b4f } .s3 { stroke: #7a4fa3 }"
    " .mark { fill: currentColor; color: #444 }"
)
Rows = list[dict[str, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--pairs-per-pin", type=int, default=10)
    parser.add_argument("--known", type=float, default=0.0)
    parser.add_argument("--csv", type=Path, default=Path("labelling_memory.csv"))
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    found: Rows = []
    for pairs in given.pairs:
        with tempfile.TemporaryDirectory() as folder:
            ws = Workspace(Path(folder))
            apart(write, ws, pairs, pairs // given.pairs_per_pin, given.known)
            found += apart(measure, ws, pairs)
        tell(found, given.csv, given.picture)


def tell(rows: Rows, table: Path, drawing: Path | None) -> None:
    """Write down what has been measured so far."""
    with open(table, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(rows)
    if drawing:
        drawing.write_text(curve(rows), encoding="utf-8")


def apart(work: Callable[..., Rows], *arguments: object) -> Rows:
    """What `work` returns, done in a process of its own."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(work, arguments)


def write(ws: Workspace, pairs: int, pins: int, known: float) -> Rows:
    """The workspace before the stage: texts, pairs, a teacher, and answers of an earlier run to some of the pairs."""
    chance = np.random.default_rng(0)
    vocabulary = AutoTokenizer.from_pretrained(find("all-MiniLM-L6-v2")).get_vocab()
    words = np.array(sorted(word for word in vocabulary if word.isalpha() and word.isascii()))
    texts = [" ".join(w) for w in words[drawn(chance, (pins, WORDS), len(words))]]
    digests = [digest_of(text) for text in texts]
    made = {"pin_id": [f"pin{i:09d}" for i in range(pins)], "text": texts, "digest": digests, "said": digests}
    save(ws, "composed", pa.table(made, schema=schema("composed")))
    queries = [f"{' '.join(w)} {i}" for i, w in enumerate(words[drawn(chance, (max(pairs // 5, 1), 3), len(words))])]
    chosen = chance.permutation(pairs)  # pair i asks for Pin i mod pins: distinct pairs, in no order
    pin, query = chosen % pins, chosen // pins * 7_919 + chosen % pins
    keys = pa.table({
        "query": pa.array(queries).take(pa.array(query % len(queries))),
        "pin_id": pa.array(made["pin_id"]).take(pa.array(pin)),
    })  # fmt: skip
    constants = {"language": "en", "country": "US", "stratum": "en/US/head"}
    rows = keys.append_column("weight", pa.array(np.ones(pairs, np.float32)))
    for name, value in constants.items():
        rows = rows.append_column(name, pa.repeat(value, pairs))
    save(ws, "pairs", rows.select(schema("pairs").names))
    ws.write_folder("models/teacher", Made(), teacher)
    if known:
        answered = keys.slice(0, int(known * pairs)).append_column("pin", pa.array(pin[: int(known * pairs)]))
        save(ws, "soft_labels", answers(answered, pa.array(made["digest"]), ws.digest("models/teacher")), 4_096)
    return []


def drawn(chance: np.random.Generator, shape: tuple[int, int], below: int) -> np.ndarray:
    """Numbers from 0 that follow Zipf's law, about."""
    return (below ** chance.random(shape)).astype(int) - 1


def teacher(out: Path, scratch: Path) -> None:
    backbone, words = scratch / "backbone", AutoTokenizer.from_pretrained(find("all-MiniLM-L6-v2"))
    words.save_pretrained(backbone)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(words), **sizes)).save_pretrained(backbone)
    with quiet():
        made = teacher_model.create(Teacher(backbone=str(backbone), max_tokens=32), seed=0)
        teacher_model.save(made, out)


def answers(rows: pa.Table, digests: pa.Array, grader: str) -> pa.Table:
    """What an earlier run would have been told."""
    rows = rows.append_column("digest", digests.take(rows.column("pin").combine_chunks())).sort_by("pin_id")
    uniform = np.full((len(rows), len(PROBABILITIES)), 0.2, np.float32)
    columns = {name: rows.column(name) for name in ("query", "pin_id", "digest")} | to_columns(uniform)
    return pa.table(columns | {"grader": pa.repeat(grader, len(rows))}).select(schema("soft_labels").names)


def save(ws: Workspace, name: str, rows: pa.Table, size: int = ROWS_PER_SHARD) -> None:
    begins = range(0, len(rows), size)
    ws.write_table(name, Made(), {f"{b // size:05d}": functools.partial(rows.slice, b, size) for b in begins})


def measure(ws: Workspace, pairs: int) -> Rows:
    """Label all pairs; pairs done, seconds and resident memory after every shard."""
    found, begun, done = [note(pairs, 0, 0)], time.monotonic(), 0

    def noted(make: Callable[[], pa.Table]) -> pa.Table:
        nonlocal done
        rows = make()
        done += len(rows)
        found.append(note(pairs, done, time.monotonic() - begun))
        return rows

    made = ws.made_from(["pairs", "composed", "models/teacher"])
    shards = labelling.soft_labels(Labels(), ws)
    ws.write_table("soft_labels", made, {key: functools.partial(noted, make) for key, make in shards.items()})
    seconds, peak = found[-1]["seconds"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{done:,} pairs in {seconds:,.0f} s ({done / seconds:,.0f} a second): {found[0]['mib']:,.0f} MiB with the"
        f" libraries loaded, {found[1]['mib']:,.0f} after the first shard, {found[-1]['mib']:,.0f} after the last,"
        f" {peak:,.0f} at the peak",
        flush=True,
    )
    return found


def note(pairs: int, done: int, seconds: float) -> dict[str, float]:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {"pairs": pairs, "done": done, "seconds": round(seconds, 1), "mib": round(pages * 4096 / MIB, 1)}


def curve(rows: Sequence[dict[str, float]]) -> str:
    """Resident memory over pairs done, a line for each size."""
    width, left, right, top, bottom = 580, 60.0, 500.0, 14.0, 250.0
    across, up = ticks(0, max(r["done"] for r in rows)), ticks(0, max(r["mib"] for r in rows))
    x, y = linear(across[0], across[-1], left, right), linear(up[0], up[-1], bottom, top)
    drawn: list[object] = [element("style", STYLE)]
    for value in up:
        drawn.append(element("line", x1=left, x2=right, y1=y(value), y2=y(value), class_="grid"))
        drawn.append(element("text", f"{value:,.0f}", x=left - 6, y=y(value) + 4, text_anchor="end"))
    drawn += [element("text", f"{v:,.0f}", x=x(v), y=bottom + 18, text_anchor="middle") for v in across]
    drawn.append(element("text", "pairs labelled; resident memory in MiB", x=right, y=bottom + 38, text_anchor="end"))
    for series, pairs in enumerate(sorted({r["pairs"] for r in rows})):
        drawn += line(series, [r for r in rows if r["pairs"] == pairs], x, y)
    title = "Resident memory while pairs are labelled"
    return str(picture(width, bottom + 46, title, *drawn)).replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)


def line(series: int, rows: Sequence[dict[str, float]], x: Callable, y: Callable) -> Iterable[object]:
    """One size's line, marked and named at its end."""
    points, last = " ".join(f"{x(r['done']):.1f},{y(r['mib']):.1f}" for r in rows), rows[-1]
    yield element("polyline", points=points, class_=f"line s{series}")
    yield marker(series, x(last["done"]), y(last["mib"]), 4)
    yield element("text", f"{last['pairs']:,.0f}", x=x(last["done"]) + 8, y=y(last["mib"]) + 4)


if __name__ == "__main__":
    main()
