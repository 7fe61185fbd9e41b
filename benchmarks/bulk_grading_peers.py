"""The public ways to run a saved cross-encoder over many pairs, for `bulk_grading.py`: as they come, and tuned."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import openvino
import torch
from sentence_transformers import CrossEncoder
from transformers import pipeline

from limbeck.batches import by_tokens, lengths_of
from limbeck.relevance import LEVELS

Rows = tuple[list[str], list[str]]
Grade = Callable[[Rows], object]
TOKENS = 4_096  # per padded batch, where the choice is ours


def _as_it_comes(folder: Path, backbone: str, max_tokens: int) -> Grade:
    model = CrossEncoder(str(folder / "teacher"), device="cpu")
    return lambda rows: model.predict(list(zip(*rows)))


def _tuned(half: bool, size: int, folder: Path, backbone: str, max_tokens: int) -> Grade:
    model = CrossEncoder(str(folder / "teacher"), device="cpu")
    model = model.bfloat16() if half else model
    return lambda rows: model.predict(list(zip(*rows)), batch_size=size, convert_to_numpy=False)


def _pipeline(folder: Path, backbone: str, max_tokens: int) -> Grade:
    kwargs = {"num_labels": len(LEVELS)}
    classify = pipeline("text-classification", backbone, device="cpu", model_kwargs=kwargs, top_k=None)

    def grade(rows: Rows) -> object:
        inputs = [{"text": q, "text_pair": t} for q, t in zip(*rows)]
        return classify(inputs, batch_size=32, truncation=True, max_length=max_tokens)

    return grade


class _Whole(torch.nn.Module):
    """A cross-encoder whose inputs are its tensors, by position: what can be exported."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.inner = CrossEncoder(str(folder / "teacher"), device="cpu")
        self.example = self.inner.preprocess([("red lamp", "a tall red lamp"), ("sofa", "a grey sofa for two")])
        read = ["input_ids", "attention_mask", *(["token_type_ids"] if self.inner.config.type_vocab_size else [])]
        self.names = [name for name in read if name in self.example]  # what is not read is not exported, either
        self.eval()

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        return self.inner(dict(zip(self.names, tensors), modality="text"))["scores"]

    def tensors(self) -> tuple[torch.Tensor, ...]:
        return tuple(self.example[n] for n in self.names)

    def batches(self, rows: Rows) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Row numbers and tensors: sorted by length, batches of equal token budget."""
        lengths = lengths_of(self.inner.tokenizer, *rows, limit=self.inner.max_seq_length)
        for chosen in by_tokens(lengths, TOKENS):
            features = self.inner.preprocess([(rows[0][i], rows[1][i]) for i in chosen])
            yield chosen, [features[n].numpy() for n in self.names]


def _onnx(folder: Path, backbone: str, max_tokens: int) -> Grade:
    whole, path = _Whole(folder), folder / "teacher.onnx"
    axes = {name: {0: "rows", 1: "tokens"} for name in whole.names}
    torch.onnx.export(
        whole, whole.tensors(), str(path), input_names=whole.names, output_names=["scores"], dynamic_axes=axes,
        dynamo=False,
    )  # fmt: skip
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda rows: [session.run(None, dict(zip(whole.names, arrays))) for _, arrays in whole.batches(rows)]


def _openvino(precision: str, folder: Path, backbone: str, max_tokens: int) -> Grade:
    """As many streams at once as OpenVINO thinks best for throughput."""
    whole = _Whole(folder)
    shapes = [openvino.PartialShape([-1, -1])] * len(whole.names)
    converted = openvino.convert_model(whole, example_input=whole.tensors(), input=shapes)
    hints = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "THROUGHPUT"}
    queue = openvino.AsyncInferQueue(openvino.compile_model(converted, "CPU", hints))

    def grade(rows: Rows) -> object:
        answers = np.zeros((len(rows[0]), len(LEVELS)), np.float32)
        queue.set_callback(lambda request, chosen: answers.__setitem__(chosen, request.get_output_tensor(0).data))
        for chosen, arrays in whole.batches(rows):
            queue.start_async(arrays, chosen)
        queue.wait_all()
        return answers

    return grade


# Each makes its grader from the folder (with the saved teacher in `teacher/`), the backbone, and the tokens it reads.
PEERS: dict[str, Callable[[Path, str, int], Grade]] = {
    "CrossEncoder.predict": _as_it_comes,
    **{f"CrossEncoder.predict, batch {size}": partial(_tuned, False, size) for size in (8, 128)},
    **{f"CrossEncoder.predict, bfloat16, batch {size}": partial(_tuned, True, size) for size in (32, 64, 128)},
    "transformers pipeline, batch 32": _pipeline,
    "ONNX Runtime f32": _onnx,
    **{f"OpenVINO {precision}": partial(_openvino, precision) for precision in ("f32", "bf16")},
}
