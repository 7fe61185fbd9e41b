"""A student's tower as the service runs it: tokens by the tokenizers library, the rest by ONNX Runtime. No PyTorch."""

import json
import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from limbeck.errors import WorkspaceError
from limbeck.inference import tokens

TOWER, PROJECTION, HEAD = "tower.onnx", "projection.onnx", "head.onnx"
TOKENIZER, READING = "tokenizer.json", "reading.json"
TOKENS_PER_BATCH = 4_096


class ServedTower:
    """What `export.py` wrote, opened. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        """`WorkspaceError` where a file is missing or damaged."""
        try:
            reading = json.loads((folder / READING).read_text(encoding="utf-8"))
            self._cut, self._whole = (Tokenizer.from_file(str(folder / TOKENIZER)) for _ in range(2))
            self._tower = _session(folder / TOWER)
            self._projection = _session(folder / PROJECTION) if (folder / PROJECTION).exists() else None
        except Exception as error:  # ONNX Runtime and tokenizers raise kinds of their own
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise WorkspaceError(f"{folder}: cannot be read ({reason}). Delete it and run again") from None
        self._inputs, self._padding = reading["inputs"], reading["padding"]
        self.bits: int = reading.get("bits", 32)  # of each weight
        self._together = self.bits == 32  # in 8, what is read in one go shares a scale: a vector would depend on others
        for tokenizer in (self._cut, self._whole):
            tokenizer.encode_special_tokens = reading["special_tokens_are_text"]
            tokenizer.no_padding()
        self._whole.no_truncation()
        self._cut.enable_truncation(reading["max_tokens"])

    def tokens(self, texts: Sequence[str]) -> list[bytes]:
        """The ids of each text, uncut: texts with the same ids are read alike."""
        ragged = tokens.tokenize(self._whole, texts)
        return [ragged.ids[begin:end].tobytes() for begin, end in pairwise(ragged.ends)]

    def read(self, texts: Sequence[str]) -> np.ndarray:
        """What comes out of the pooling: float32 (n, backbone size)."""
        found = self._cut.encode_batch_fast(list(texts))
        size = self._tower.get_outputs()[0].shape[1]
        out = np.zeros((len(texts), size), dtype=np.float32)
        order = sorted(range(len(found)), key=lambda i: -len(found[i].ids))
        while order:
            longest = max(1, len(found[order[0]].ids))
            some = order[: max(1, TOKENS_PER_BATCH // longest) if self._together else 1]
            out[some] = self._batch([found[i] for i in some], longest)
            order = order[len(some) :]
        return out

    def project(self, base: np.ndarray) -> np.ndarray:
        """Vectors of what was read, float32 (n, d)."""
        if self._projection is None or not len(base):
            return base
        [vectors] = self._projection.run(None, {"base": np.ascontiguousarray(base, dtype=np.float32)})
        return np.asarray(vectors)

    def _batch(self, rows: Sequence[object], longest: int) -> np.ndarray:
        given = np.zeros((3, len(rows), longest), dtype=np.int64)
        given[0] = self._padding
        for i, row in enumerate(rows):
            for values, line in zip((row.ids, row.attention_mask, row.type_ids), given[:, i]):  # type: ignore[attr-defined]
                line[: len(values)] = values
        by_name = dict(zip(("input_ids", "attention_mask", "token_type_ids"), given))
        [states] = self._tower.run(None, {name: by_name[name] for name in self._inputs})
        return np.asarray(states)


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # who waits leaves the core
    options.log_severity_level = 3
    threads = os.environ.get("OMP_NUM_THREADS", "")
    options.intra_op_num_threads = int(threads) if threads.isdecimal() else 0  # as BLAS does; 0: one for each core
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
