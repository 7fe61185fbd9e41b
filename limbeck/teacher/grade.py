"""Bulk grading with the teacher: sorted by length, batches of equal token budget, bfloat16 where that is fast."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from sentence_transformers.base.modules import Dense

from limbeck.backbone import bf16
from limbeck.batches import by_tokens, lengths_of
from limbeck.relevance import LEVELS, softmax
from limbeck.teacher.model import load

TOKENS_PER_BATCH = 4_096


class TeacherGrader:
    """The teacher as a Grader. `texts` (pin_id, text) are the composed Pins; a Pin without one is read as empty."""

    name = "teacher"

    def __init__(self, folder: Path, texts: pa.Table) -> None:
        self._model = load(folder).eval()
        self._texts = dict(zip(texts.column("pin_id").to_pylist(), texts.column("text").to_pylist()))
        if bf16():
            self._model[0].to(torch.bfloat16)

    def grade(self, pairs: pa.Table) -> np.ndarray:
        """Five probabilities per pair, float32 (n, 5)."""
        pins = pairs.column("pin_id").to_pylist()
        return self.grade_texts(pairs.column("query").to_pylist(), [self._texts.get(p, "") for p in pins])

    def grade_texts(self, queries: list[str], texts: list[str]) -> np.ndarray:
        """Five probabilities per (query, composed text), float32 (n, 5)."""
        limit = self._model.max_seq_length
        lengths = lengths_of(self._model.tokenizer, queries, texts, limit=limit)
        logits = np.zeros((len(queries), len(LEVELS)), dtype=np.float32)
        for rows in by_tokens(lengths, TOKENS_PER_BATCH):
            logits[rows] = self._logits([(queries[i], texts[i]) for i in rows])
        return softmax(logits)

    @torch.inference_mode()
    def _logits(self, pairs: list[tuple[str, str]]) -> np.ndarray:
        """One batch through the modules; the head runs in float32 whatever the backbone runs in."""
        features = self._model.preprocess(pairs)
        features = {k: v.to(self._model.device) if isinstance(v, torch.Tensor) else v for k, v in features.items()}
        for module in self._model:
            if isinstance(module, Dense):
                features["sentence_embedding"] = features["sentence_embedding"].float()
            features = module(features)
        return features["scores"].cpu().numpy()
