"""What peers take to rank the candidates that `rerank.py` ranks: LightGBM, and a cross-encoder run in four ways."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import torch
from match_features import Plain
from sentence_transformers import CrossEncoder

from limbeck.backbone import find
from limbeck.index.store import Store

TREES, LEAVES = 300, 31
PAIRS, TOKENS = 64, 128
INPUTS = ["input_ids", "attention_mask", "token_type_ids"]
Pairs = list[tuple[str, str]]


def trees(store: Store, batches: list[pa.Table], queries: list[str], chosen: list[np.ndarray]) -> float:
    """LambdaRank on all our features, made by us, and 24 features made from dicts: milliseconds of the processor."""
    import lightgbm

    features = [store.signals.features(queries[i], rows) for i, rows in enumerate(chosen)]
    levels = np.random.default_rng(0).integers(0, 5, sum(map(len, chosen)))
    data = lightgbm.Dataset(np.concatenate(features), levels, group=list(map(len, chosen)))
    settings = {"objective": "lambdarank", "num_leaves": LEAVES, "num_threads": 1, "verbose": -1}
    model, plain = lightgbm.train(settings, data, TREES), Plain(batches)
    graded = _median(lambda i: model.predict(features[i % len(features)], num_threads=1), 20)
    made = _median(lambda i: plain.features(queries[i % len(chosen)], chosen[i % len(chosen)]), 5)
    print(f"LightGBM, {TREES} trees of {LEAVES} leaves   {graded:.1f}, and 24 features in Python {made:.1f}")
    return graded + made


def cross_encoders(queries: list[str], pins: pa.Table) -> Iterator[tuple[str, float]]:
    """How many pairs a second of the processor each way of running MiniLM-L6 grades, on one thread."""
    torch.set_num_threads(1)
    model = CrossEncoder(find("all-MiniLM-L6-v2"), num_labels=5, max_length=TOKENS, device="cpu")
    texts = [" ".join(pins.column(name)[i].as_py() for name in ("title", "description")) for i in range(PAIRS)]
    pairs = [(queries[0], text) for text in texts]
    with TemporaryDirectory() as folder:
        path = _exported(model, pairs, Path(folder) / "encoder.onnx")
        ways: dict[str, Callable[[Pairs], object]] = {
            "CrossEncoder.predict": lambda pairs: model.predict(pairs, show_progress_bar=False),
            "FlashRank's way (ONNX Runtime, one padded batch)": _in_one_batch(model, path),
            **_openvino(model, path),
        }
        for name, grade in ways.items():
            grade(pairs)
            yield name, PAIRS / (_median(lambda _, grade=grade: grade(pairs), 3) / 1e3)


def _exported(model: CrossEncoder, pairs: Pairs, path: Path) -> Path:
    whole, example = _Whole(model), model.preprocess(pairs[:2])
    axes = {name: {0: "rows", 1: "tokens"} for name in INPUTS}
    given = tuple(example[name] for name in INPUTS)
    torch.onnx.export(whole, given, str(path), input_names=INPUTS, dynamic_axes=axes, dynamo=False)
    return path


class _Whole(torch.nn.Module):
    def __init__(self, inner: CrossEncoder) -> None:
        super().__init__()
        self.inner = inner.eval()

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        return self.inner(dict(zip(INPUTS, tensors), modality="text"))["scores"]


def _in_one_batch(model: CrossEncoder, path: Path) -> Callable[[Pairs], object]:
    """As FlashRank does it: all pairs tokenised together, padded to the longest, in one call."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda pairs: session.run(None, _arrays(model, pairs))


def _openvino(model: CrossEncoder, path: Path) -> dict[str, Callable[[Pairs], object]]:
    """In bfloat16 where the processor has it; nothing where OpenVINO is not installed."""
    try:
        import openvino
    except ModuleNotFoundError:
        return {}
    ways: dict[str, Callable[[Pairs], object]] = {}
    for precision in ("f32", "bf16"):
        hints = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": 1}
        compiled = openvino.Core().compile_model(str(path), "CPU", hints)
        ways[f"OpenVINO {precision}"] = lambda pairs, compiled=compiled: compiled(_arrays(model, pairs))
    return ways


def _arrays(model: CrossEncoder, pairs: Pairs) -> dict[str, np.ndarray]:
    found = model.preprocess(pairs)
    return {name: found[name].numpy() for name in INPUTS}


def _median(work: Callable[[int], object], rounds: int) -> float:
    """Milliseconds of the processor, all threads together."""
    taken = []
    for i in range(rounds):
        begun = time.process_time()
        work(i)
        taken.append(time.process_time() - begun)
    return float(np.median(taken)) * 1e3
