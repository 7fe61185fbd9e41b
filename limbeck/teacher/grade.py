"""Bulk grading with the teacher: the language model reads in bulk, the head runs in float32."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from sentence_transformers import CrossEncoder

from limbeck.inference.reader import Reader
from limbeck.relevance import softmax
from limbeck.teacher.model import load


class TeacherGrader:
    """The teacher as a Grader. `texts` (pin_id, text) are the composed Pins; a Pin without one is read as empty.

    The teacher is given by its folder, or loaded.
    """

    name = "teacher"

    def __init__(self, teacher: Path | CrossEncoder, texts: pa.Table) -> None:
        model = load(teacher) if isinstance(teacher, Path) else teacher
        self._head = list(model)[2:]
        self._reader = Reader(model)
        self._texts = dict(zip(texts.column("pin_id").to_pylist(), texts.column("text").to_pylist()))

    def grade(self, pairs: pa.Table) -> np.ndarray:
        """Five probabilities per pair, float32 (n, 5)."""
        return self.grade_texts(*self._texts_of(pairs))

    def tokens(self, pairs: pa.Table) -> np.ndarray:
        """How many tokens the language model reads for each pair: int64 (n,)."""
        return self._reader.lengths(*self._texts_of(pairs))

    def _texts_of(self, pairs: pa.Table) -> tuple[list[str], list[str]]:
        """Queries and texts."""
        pins = pairs.column("pin_id").to_pylist()
        return pairs.column("query").to_pylist(), [self._texts.get(p, "") for p in pins]

    @torch.inference_mode()
    def grade_texts(self, queries: list[str], texts: list[str]) -> np.ndarray:
        """Five probabilities per (query, composed text), float32 (n, 5)."""
        states = torch.from_numpy(self._reader.pairs(queries, texts)).to(self._head[0].linear.weight.device)
        features = {"sentence_embedding": states}
        for module in self._head:
            features = module(features)
        return softmax(features["scores"].cpu().numpy())
