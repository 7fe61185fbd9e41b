"""Pairs graded per second: our bulk grading beside the public ways to run the same model on the same rows.

    pip install -e ".[backbone,benchmarks]" && make demo
    python benchmarks/bulk_grading.py workspaces/world
    python benchmarks/bulk_grading.py workspaces/world --shape deberta-base --pairs 300
    python benchmarks/bulk_grading.py workspaces/world --beside "CrossEncoder.predict" "OpenVINO bf16"

Rows are drawn from the workspace's judged pairs and composed texts. MiniLM's weights are those of the default backbone,
those of `deberta-base` random: speed does not depend on them. Each contender has a process of its own, so that none
gains or loses by what another asks of the machine; in every round, in a new order, each grades the round's rows,
tokenising included. Every round has other rows, as labelling has: what was compiled for the lengths of one is of little
use to the next. The table shows medians, their ratio to the first contender, and the share of the machine's
matrix peak that is reached; on a machine that is busy with other work, go by processor seconds. Below it: how far our
answers are from those in float32. `--profile` tells where the time goes.
"""

import argparse
import functools
import multiprocessing
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from bulk_grading_peers import PEERS, Grade, Rows
from rich.table import Table
from sentence_transformers import CrossEncoder
from torch._C._profiler import _ExperimentalConfig
from transformers import AutoTokenizer, DebertaV2Config, DebertaV2Model

from limbeck.backbone import bf16, find
from limbeck.batches import lengths_of
from limbeck.progress import console
from limbeck.settings import Teacher
from limbeck.teacher import model as teacher_model
from limbeck.teacher.grade import TeacherGrader
from limbeck.training import quiet
from limbeck.workspace import Workspace

MAX_TOKENS, OURS = 256, "limbeck"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--shape", choices=("minilm", "deberta-base"), default="minilm")
    parser.add_argument("--pairs", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--beside", nargs="+", choices=tuple(PEERS), default=list(PEERS))
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    ws = Workspace(given.workspace)
    rounds = [rows_of(ws, given.pairs, seed) for seed in range(given.rounds)]
    with tempfile.TemporaryDirectory() as name, quiet():
        folder = Path(name)
        backbone = find("all-MiniLM-L6-v2")
        if given.shape == "deberta-base":
            backbone = deberta_base(folder / "backbone", backbone)
        teacher = teacher_model.create(Teacher(backbone=backbone, max_tokens=MAX_TOKENS, head="softmax"), seed=0)
        teacher_model.save(teacher, folder / "teacher")
        flop = statistics.mean(products(teacher, rows) for rows in rounds)
        compare([*given.beside, OURS], folder, backbone, rounds, flop)
        ours = limbeck(folder)
        accuracy(folder / "teacher", ours, rounds[0])
        if given.profile:
            with torch.profiler.profile(experimental_config=_ExperimentalConfig(profile_all_threads=True)) as profile:
                ours.grade_texts(*rounds[0])
            print(f"of the time, tokenising: {tokenising(folder / 'teacher', ours, rounds[0]):.1%}")
            print(profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=12, max_name_column_width=40))


def rows_of(ws: Workspace, count: int, seed: int) -> Rows:
    """Queries and composed texts of randomly drawn judged pairs, repeated if there are too few."""
    judged, texts = ws.table("judgments", ["query", "pin_id"]), ws.table("composed", ["pin_id", "text"])
    text_of = dict(zip(*(c.to_pylist() for c in texts.columns)))
    pairs = [(q, text_of[p]) for q, p in zip(*(c.to_pylist() for c in judged.columns)) if p in text_of]
    queries, chosen = zip(*random.Random(seed).choices(pairs, k=count))
    return list(queries), list(chosen)


def deberta_base(folder: Path, tokenizer: str) -> str:
    """DeBERTa-v3-base with random weights (vocabulary and tokenizer of another model: the same work per token)."""
    words = AutoTokenizer.from_pretrained(tokenizer)
    words.save_pretrained(folder)
    config = DebertaV2Config(
        vocab_size=len(words), relative_attention=True, pos_att_type=["p2c", "c2p"], share_att_key=True,
        position_buckets=256, norm_rel_ebd="layer_norm", position_biased_input=False, type_vocab_size=0,
    )  # fmt: skip
    DebertaV2Model(config).save_pretrained(folder)
    return str(folder)


def compare(names: list[str], folder: Path, backbone: str, rounds: list[Rows], flop: float) -> None:
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(["bulk_grading_peers", "limbeck.teacher.grade"])  # imported once, not in each
    workers = {name: ProcessPoolExecutor(1, forking) for name in names}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in workers}
    for number, rows in enumerate(rounds):
        for name in random.Random(number).sample(list(workers), len(workers)):
            seconds[name].append(workers[name].submit(timed, name, folder, backbone, rows).result())
            console.print(f"[dim]round {number + 1}, {name}: {seconds[name][-1][0]:.1f} s[/]")
    for worker in workers.values():
        worker.shutdown()
    medians = {name: [statistics.median(kind) for kind in zip(*values)] for name, values in seconds.items()}
    table = Table("", "pairs/s", "ratio", "pairs per processor second", "ratio", "share of peak")
    base, top, pairs = medians[names[0]], peak(), len(rounds[0][0])
    for name, (wall, own) in medians.items():
        speeds = f"{pairs / wall:,.1f}", f"{base[0] / wall:.2f}", f"{pairs / own:,.1f}", f"{base[1] / own:.2f}"
        table.add_row(name, *speeds, f"{flop / own / top:.0%}")
    console.print(table)


def timed(name: str, folder: Path, backbone: str, rows: Rows) -> tuple[float, float]:
    """Seconds that a contender takes for all rows, in its own process: on the clock, and of the processors."""
    grade = contender(name, folder, backbone)
    grade((rows[0][:64], rows[1][:64]))
    begun = time.process_time()
    return _seconds(lambda: grade(rows)), time.process_time() - begun


@functools.cache
def contender(name: str, folder: Path, backbone: str) -> Grade:
    """Loaded once in the process that asks for it."""
    if name == OURS:
        ours = limbeck(folder)
        return lambda rows: ours.grade_texts(*rows)
    return PEERS[name](folder, backbone, MAX_TOKENS)


def limbeck(folder: Path) -> TeacherGrader:
    return TeacherGrader(folder / "teacher", pa.table({"pin_id": [], "text": []}))


def tokenising(folder: Path, ours: TeacherGrader, rows: Rows) -> float:
    """The share of grading that finding all tokens takes."""
    queries, texts = rows
    knowing = TeacherGrader(folder, pa.table({"pin_id": texts, "text": texts}))
    pairs = pa.table({"query": queries, "pin_id": texts})
    knowing.tokens(pairs.slice(0, 1))  # how rows are laid out is learnt once
    alone = _seconds(lambda: knowing.tokens(pairs))
    return alone / _seconds(lambda: ours.grade_texts(*rows))


def products(teacher: CrossEncoder, rows: Rows) -> float:
    """Floating-point operations of the matrix products of all rows' own tokens, attention included."""
    config = teacher[0].model.config
    lengths = lengths_of(teacher.tokenizer, *rows, limit=MAX_TOKENS).astype(float)
    weights = 4 * config.hidden_size**2 + 2 * config.hidden_size * config.intermediate_size
    parts = 3 if config.model_type == "deberta-v2" else 1  # content to position and back, over 2 L distances each
    attention = (4 + 4 * (parts - 1)) * config.hidden_size
    return config.num_hidden_layers * float((2 * weights * lengths + attention * lengths**2).sum())


def peak() -> float:
    """Operations per processor second of a large product, in bfloat16 where that is fast: the best of twenty."""
    a, b = (torch.randn(2_048, 2_048, dtype=torch.bfloat16 if bf16() else torch.float32) for _ in range(2))
    taken = []
    for _ in range(20):
        begun = time.process_time()
        a @ b
        taken.append(time.process_time() - begun)
    return float(2 * 2_048**3 / min(taken))


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def accuracy(folder: Path, ours: TeacherGrader, rows: Rows) -> None:
    exact = CrossEncoder(str(folder), device="cpu").predict(list(zip(*rows)), apply_softmax=True)
    found = ours.grade_texts(*rows)
    changed = (exact.argmax(axis=1) != found.argmax(axis=1)).mean()
    console.print(f"largest difference of a probability {np.abs(exact - found).max():.4f}; other level {changed:.2%}")


if __name__ == "__main__":
    main()
