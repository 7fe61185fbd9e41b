"""Texts to vectors in bulk, by a tower in PyTorch, and the tables of such vectors."""

import functools
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from sentence_transformers import SentenceTransformer
from torch import nn

from limbeck.inference.reader import Reader
from limbeck.progress import track
from limbeck.records import empty
from limbeck.settings import Student
from limbeck.student.model import TOWER, create_tower, load_tower
from limbeck.student.vectors import Vectors, lists


class Encoder:
    """Runs the modules of a tower over many texts. The modules after pooling run in float32.

    Pins are many and long, and each is read once for all: that may be in bfloat16. A query is read again whenever
    somebody searches, by the service in float32, and so it is everywhere: `exact`.
    """

    def __init__(self, tower: SentenceTransformer, modules: Sequence[nn.Module], exact: bool = False) -> None:
        self._device, self._reader, self._after = tower.device, Reader(tower, exact), list(modules)[2:]
        self.tokens = self._reader.tokens

    @classmethod
    def of_student(cls, folder: Path, exact: bool = False) -> "Encoder":
        """A trained student's whole tower."""
        tower = load_tower(folder)
        return cls(tower, list(tower), exact)

    @classmethod
    def untuned(cls, settings: Student, exact: bool = False) -> "Encoder":
        """The backbone as it comes: Transformer and pooling, no projection."""
        tower = create_tower(settings, seed=0)
        return cls(tower, [tower[0], tower[1]], exact)

    def encode(self, texts: Sequence[str], what: str = "embedding") -> np.ndarray:
        """Vectors of the texts, float32 (n, d), in their order."""
        return self.project(self.read(texts, what))

    def read(self, texts: Sequence[str], what: str = "embedding") -> np.ndarray:
        """What comes out of the pooling, before the modules after it: float32 (n, backbone size)."""
        with track(what, len(texts), "texts") as advance:
            return self._reader.texts(texts, advance)

    @torch.inference_mode()
    def project(self, base: np.ndarray) -> np.ndarray:
        """What a tower makes of texts whose untuned vectors (n, backbone size) are known: float32 (n, d)."""
        features = {"sentence_embedding": torch.tensor(base, device=self._device)}  # a copy: Arrow's is read-only
        for module in self._after:
            features = module(features)
        return features["sentence_embedding"].cpu().numpy()


def save_untuned(settings: Student, folder: Path) -> None:
    """Write the backbone as it comes as a tower of its own, for whoever has to read texts without a student."""
    tower = create_tower(settings, seed=0)
    SentenceTransformer(modules=[tower[0], tower[1]]).save_pretrained(str(folder / TOWER), create_model_card=False)


def keep_untuned(before: Path, folder: Path) -> None:
    """Take over what `save_untuned` wrote into another folder, if it did."""
    if (before / TOWER).exists():
        shutil.copytree(before / TOWER, folder / TOWER)


def shards(
    texts: pa.Table, vectors_of: Callable[[pa.Table], np.ndarray], previous: pa.Table | None, rows_per_shard: int
) -> Mapping[str, Callable[[], pa.Table]]:
    """The shards of a table of vectors of the composed `texts` (pin_id, text, digest).

    A Pin whose text's digest stands in `previous` keeps the vector it has there; only the others are computed.
    """
    known = Vectors(previous) if previous is not None else Vectors(empty("pin_vectors"))
    digests = dict(zip(known.pin_ids, previous.column("digest").to_pylist())) if previous is not None else {}

    def make(begin: int) -> pa.Table:
        part = texts.slice(begin, rows_per_shard)
        pins, wanted = part.column("pin_id").to_pylist(), part.column("digest").to_pylist()
        old = np.asarray([digests.get(p) == d for p, d in zip(pins, wanted)], dtype=bool)
        vectors = vectors_of(part.filter(pa.array(~old))) if not old.all() else known.matrix[:0]
        found = np.empty((len(pins), (vectors if len(vectors) else known.matrix).shape[1]), np.float32)
        found[~old] = vectors
        if old.any():  # else the known ones may be of another size
            found[old] = known.of([p for p, o in zip(pins, old) if o])
        return pa.table({"pin_id": pins, "digest": wanted, "vector": lists(found)})

    count = max(1, -(-texts.num_rows // rows_per_shard))
    return {f"{i:05d}": functools.partial(make, i * rows_per_shard) for i in range(count)}
