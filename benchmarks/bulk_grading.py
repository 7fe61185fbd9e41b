"""Pairs graded per second: our bulk grading beside the public ways to run the same model on the same rows.

    pip install -e ".[backbone,benchmarks]" && make demo
    python benchmarks/bulk_grading.py workspaces/world
    python benchmarks/bulk_grading.py workspaces/world --shape deberta-base --pairs 300

Rows are drawn from the workspace's judged pairs and composed texts. MiniLM's weights are those of the default backbone,
those of `deberta-base` random: speed does not depend on them. In every round every contender grades all rows,
tokenising included, in a new order; the table shows medians and their ratio to `CrossEncoder.predict` as it comes.
Below it: how far our bfloat16 answers are from float32's, and the share of the machine's matrix peak that is reached.
`--profile`
tells where the time goes.
"""

import argparse
import functools
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import openvino
import pyarrow as pa
import torch
from rich.table import Table
from sentence_transformers import CrossEncoder
from transformers import AutoTokenizer, DebertaV2Config, DebertaV2Model, pipeline

from limbeck.backbone import find
from limbeck.batches import by_tokens, lengths_of
from limbeck.progress import console
from limbeck.relevance import LEVELS
from limbeck.settings import Teacher
from limbeck.teacher import model as teacher_model
from limbeck.teacher.grade import TeacherGrader
from limbeck.training import quiet
from limbeck.workspace import Workspace

Rows = tuple[list[str], list[str]]
Grade = Callable[[Rows], object]
MAX_TOKENS, BATCHES, PEERS_TOKENS = 256, (32, 64, 128), 4_096


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--shape", choices=("minilm", "deberta-base"), default="minilm")
    parser.add_argument("--pairs", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    rows = rows_of(Workspace(given.workspace), given.pairs)
    with tempfile.TemporaryDirectory() as name, quiet():
        folder = Path(name)
        backbone = find("all-MiniLM-L6-v2")
        if given.shape == "deberta-base":
            backbone = deberta_base(folder / "backbone", backbone)
        teacher = teacher_model.create(Teacher(backbone=backbone, max_tokens=MAX_TOKENS), seed=0)
        teacher.save_pretrained(str(folder / "teacher"), create_model_card=False)
        ours = TeacherGrader(folder / "teacher", pa.table({"pin_id": [], "text": []}))
        compare(contenders(folder, backbone, ours), rows, given.rounds, products(teacher, rows))
        accuracy(folder / "teacher", ours, rows)
        if given.profile:
            with torch.profiler.profile() as profile:
                ours.grade_texts(*rows)
            console.print(profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=12))


def rows_of(ws: Workspace, count: int) -> Rows:
    """Queries and composed texts of randomly drawn judged pairs, repeated if there are too few."""
    judged, texts = ws.table("judgments", ["query", "pin_id"]), ws.table("composed", ["pin_id", "text"])
    text_of = dict(zip(*(c.to_pylist() for c in texts.columns)))
    pairs = [(q, text_of[p]) for q, p in zip(*(c.to_pylist() for c in judged.columns)) if p in text_of]
    queries, chosen = zip(*random.Random(0).choices(pairs, k=count))
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


def contenders(folder: Path, backbone: str, ours: TeacherGrader) -> dict[str, Grade]:
    """Each by its name; the first is what the others are compared with."""
    plain = CrossEncoder(str(folder / "teacher"), device="cpu")
    half = CrossEncoder(str(folder / "teacher"), device="cpu").bfloat16()
    classify = pipeline(
        "text-classification", backbone, device="cpu", model_kwargs={"num_labels": len(LEVELS)}, top_k=None
    )

    def piped(rows: Rows) -> object:
        inputs = [{"text": q, "text_pair": t} for q, t in zip(*rows)]
        return classify(inputs, batch_size=32, truncation=True, max_length=MAX_TOKENS)

    found: dict[str, Grade] = {"CrossEncoder.predict": lambda rows: plain.predict(list(zip(*rows)))}
    for size in BATCHES:
        found[f"CrossEncoder.predict, bfloat16, batch {size}"] = functools.partial(predict, half, size)
    found |= {"transformers pipeline, batch 32": piped}
    found |= {f"OpenVINO {kind}": grade for kind, grade in exported(plain)}
    return found | {"limbeck": lambda rows: ours.grade_texts(*rows)}


def predict(model: CrossEncoder, size: int, rows: Rows) -> object:
    return model.predict(list(zip(*rows)), batch_size=size, convert_to_numpy=False)


def exported(model: CrossEncoder) -> Iterator[tuple[str, Grade]]:
    """The same modules by OpenVINO: rows sorted by length, batches of equal token budget, two streams."""
    features = model.preprocess([("red lamp", "a tall red lamp")] * 2)
    names = [n for n in ("input_ids", "attention_mask", "token_type_ids") if n in features]

    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
            return self.inner(dict(zip(names, tensors), modality="text"))["scores"]

    shapes = [openvino.PartialShape([-1, -1])] * len(names)
    converted = openvino.convert_model(
        Whole().eval(), example_input=tuple(features[n] for n in names), input=list(zip(names, shapes))
    )
    for precision in ("f32", "bf16"):
        hints = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "THROUGHPUT"}
        yield precision, functools.partial(queued, openvino.compile_model(converted, "CPU", hints), model, names)


def queued(compiled: openvino.CompiledModel, model: CrossEncoder, names: list[str], rows: Rows) -> object:
    queue = openvino.AsyncInferQueue(compiled)
    answers = np.zeros((len(rows[0]), len(LEVELS)), np.float32)

    def keep(request: openvino.InferRequest, chosen: np.ndarray) -> None:
        answers[chosen] = request.get_output_tensor(0).data

    queue.set_callback(keep)
    for chosen in by_tokens(lengths_of(model.tokenizer, *rows, limit=MAX_TOKENS), PEERS_TOKENS):
        features = model.preprocess([(rows[0][i], rows[1][i]) for i in chosen])
        queue.start_async([features[n].numpy() for n in names], chosen)
    queue.wait_all()
    return answers


def compare(graders: dict[str, Grade], rows: Rows, rounds: int, flop: float) -> None:
    few = tuple(column[:64] for column in rows)
    for grade in graders.values():
        grade(few)
    seconds: dict[str, list[float]] = {name: [] for name in graders}
    for number in range(rounds):
        for name in random.Random(number).sample(list(graders), len(graders)):
            begun = time.perf_counter()
            graders[name](rows)
            seconds[name].append(time.perf_counter() - begun)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    table = Table("", "pairs/s", "ratio", "share of peak")
    base, top = medians[next(iter(graders))], peak()
    for name, value in medians.items():
        table.add_row(name, f"{len(rows[0]) / value:,.0f}", f"{base / value:.2f}", f"{flop / value / top:.0%}")
    console.print(table)


def products(teacher: CrossEncoder, rows: Rows) -> float:
    """Floating-point operations of the matrix products of all rows' own tokens, attention included."""
    config = teacher[0].model.config
    lengths = lengths_of(teacher.tokenizer, *rows, limit=MAX_TOKENS).astype(float)
    weights = 4 * config.hidden_size**2 + 2 * config.hidden_size * config.intermediate_size
    parts = 3 if config.model_type == "deberta-v2" else 1  # content to position and back, over 2 L distances each
    attention = (4 + 4 * (parts - 1)) * config.hidden_size
    return config.num_hidden_layers * float((2 * weights * lengths + attention * lengths**2).sum())


def peak() -> float:
    """Operations per second of a large bfloat16 product on all cores: the best of twenty."""
    a, b = (torch.randn(4_096, 4_096, dtype=torch.bfloat16) for _ in range(2))
    best = min(_seconds(lambda: a @ b) for _ in range(20))
    return float(2 * 4_096**3 / best)


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
