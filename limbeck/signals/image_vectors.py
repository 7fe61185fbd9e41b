"""Vectors of the pictures that Pins name, shard by shard: each picture's bytes are seen once.

As captions are (captions/describe.py): whatever whole shards hold already is kept, by image digest and model.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import cached_property, partial
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from limbeck.captions.loading import Loaded, Loader
from limbeck.captions.reading import Reader, is_url
from limbeck.progress import track
from limbeck.records import schema
from limbeck.settings import Visual


class Seeing(Protocol):
    """Vectors of pictures."""

    def see(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        """Unit vectors of RGB pictures, float32 (n, d)."""


class Embedder:
    """Makes the shards of `image_vectors`. The model is loaded when the first picture needs it."""

    def __init__(
        self, settings: Visual, reader: Reader, model: tuple[str, Callable[[], Seeing]], known: pa.Table
    ) -> None:
        """`model`: its name in the table, and what loads it; `known`: rows that were made before."""
        self._settings = settings
        self._name, self._load = model
        images, kept = seen(known.filter(pc.equal(known.column("model"), self._name)))
        digests = kept.column("image_digest").to_pylist()
        self._vectors: dict[str, np.ndarray] = dict(zip(digests, images))
        fetched = zip(kept.column("image").to_pylist(), digests, kept.column("refetch").to_pylist())
        before = {image: digest for image, digest, refetch in fetched if refetch == settings.refetch}
        self._loader = Loader(settings, reader, before)

    def shards(self, images: Sequence[str]) -> Mapping[str, Callable[[], pa.Table]]:
        """What makes each shard, by its key; for `Workspace.write_table`."""
        size = self._settings.pictures_per_shard
        begins = range(0, len(images), size)
        return {
            f"{i:05d}": partial(self._shard, images[begin : begin + size], len(images) - begin)
            for i, begin in enumerate(begins)
        }

    @cached_property
    def _model(self) -> Seeing:
        return self._load()

    def _shard(self, images: Sequence[str], left: int) -> pa.Table:
        """One shard; `left` counts the pictures of this one and those after it."""
        found: dict[str, Loaded] = {}
        with (
            track("image vectors", left, "pictures") as advance,
            closing(self._loader.batches(images, self._vectors, found, advance)) as batches,
        ):
            advance(0)  # starts the clock of the rate
            for batch in batches:
                vectors = self._model.see([picture.pixels for picture in batch if picture.pixels])
                self._vectors |= {str(picture.digest): vector for picture, vector in zip(batch, vectors)}
                advance(len(batch))
        return pa.Table.from_pylist([self._row(found[image]) for image in images], schema("image_vectors"))

    def _row(self, picture: Loaded) -> dict[str, Any]:
        return {
            "image": picture.image,
            "image_digest": picture.digest,
            "vector": () if picture.skipped else self._vectors[str(picture.digest)],
            "model": self._name,
            "skipped": picture.skipped,
            "refetch": self._settings.refetch if is_url(picture.image) else None,
        }


def seen(table: pa.Table) -> tuple[np.ndarray, pa.Table]:
    """The vectors (n, d) of the pictures of a table of image vectors that were not skipped, and their rows."""
    rows = table.filter(pc.is_null(table.column("skipped")))
    flat = rows.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(rows.num_rows, -1) if rows.num_rows else np.zeros((0, 0), np.float32), rows
