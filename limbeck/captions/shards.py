"""Shards of a table with a row for each picture that Pins name: a model sees its bytes once, whatever its names."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

import pyarrow as pa
from PIL import Image

from limbeck.captions.loading import Loaded, Loader
from limbeck.progress import track
from limbeck.records import schema

Seen = TypeVar("Seen")


class PictureShards(ABC, Generic[Seen]):
    """Makes the shards of `table`; `what` names the work where its progress is shown."""

    table: ClassVar[str]
    what: ClassVar[str]

    def __init__(self, loader: Loader, known: dict[str, Seen], pictures_per_shard: int) -> None:
        """`known`: what the model made before of pictures, by their digests."""
        self._loader, self._known, self._size = loader, known, pictures_per_shard

    def shards(self, images: Sequence[str]) -> Mapping[str, Callable[[], pa.Table]]:
        """What makes each shard, by its key; for `Workspace.write_table`."""
        begins = range(0, len(images), self._size)
        return {
            f"{i:05d}": partial(self._shard, images[begin : begin + self._size], len(images) - begin)
            for i, begin in enumerate(begins)
        }

    @abstractmethod
    def _see(self, pictures: Sequence[Image.Image]) -> Sequence[Seen]:
        """What the model makes of each of some RGB pictures."""

    @abstractmethod
    def _row(self, picture: Loaded) -> dict[str, Any]:
        """The table's row of a picture that is skipped or known."""

    def _shard(self, images: Sequence[str], left: int) -> pa.Table:
        """One shard; `left` counts the pictures of this one and those after it."""
        found: dict[str, Loaded] = {}
        with (
            track(self.what, left, "pictures") as advance,
            closing(self._loader.batches(images, self._known, found, advance)) as batches,
        ):
            advance(0)  # starts the clock of the rate
            for batch in batches:
                seen = self._see([picture.pixels for picture in batch if picture.pixels])
                self._known |= {str(picture.digest): one for picture, one in zip(batch, seen)}
                advance(len(batch))
        return pa.Table.from_pylist([self._row(found[image]) for image in images], schema(self.table))
