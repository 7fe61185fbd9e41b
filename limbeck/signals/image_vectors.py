"""Vectors of the pictures that Pins name, shard by shard: each picture's bytes are seen once.

As captions are (captions/describe.py): whatever whole shards hold already is kept, by image digest and model.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from limbeck.captions.loading import Loaded, Loader
from limbeck.captions.reading import Reader, is_url
from limbeck.captions.shards import PictureShards
from limbeck.settings import Visual
from limbeck.signals.visual import seen


class Seeing(Protocol):
    """Vectors of pictures."""

    def see(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        """Unit vectors of RGB pictures, float32 (n, d)."""


class Embedder(PictureShards[np.ndarray]):
    """Makes the shards of `image_vectors`. The model is loaded when the first picture needs it."""

    table, what = "image_vectors", "image vectors"

    def __init__(
        self, settings: Visual, reader: Reader, model: tuple[str, Callable[[], Seeing]], known: pa.Table
    ) -> None:
        """`model`: its name in the table, and what loads it; `known`: rows that were made before."""
        self._name, self._load = model
        self._refetch = settings.refetch
        vectors, kept = seen(known.filter(pc.equal(known.column("model"), self._name)))
        digests = kept.column("image_digest").to_pylist()
        fetched = zip(kept.column("image").to_pylist(), digests, kept.column("refetch").to_pylist())
        before = {image: digest for image, digest, refetch in fetched if refetch == settings.refetch}
        super().__init__(Loader(settings, reader, before), dict(zip(digests, vectors)), settings.pictures_per_shard)

    @cached_property
    def _model(self) -> Seeing:
        return self._load()

    def _see(self, pictures: Sequence[Image.Image]) -> Sequence[np.ndarray]:
        return list(self._model.see(pictures))

    def _row(self, picture: Loaded) -> dict[str, Any]:
        return {
            "image": picture.image,
            "image_digest": picture.digest,
            "vector": () if picture.skipped else self._known[str(picture.digest)],
            "model": self._name,
            "skipped": picture.skipped,
            "refetch": self._refetch if is_url(picture.image) else None,
        }
