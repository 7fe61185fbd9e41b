"""The pictures that Pins name, captioned shard by shard: each picture's bytes are paid for once.

A row of the `pictures` table is either a caption or the reason why there is none. Whatever whole shards hold already is
kept, also those of a run that was killed or whose recipe has changed since: by image digest and captioner.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import cached_property, partial
from typing import Protocol

import pyarrow as pa
from PIL import Image

from limbeck.captions.loading import Loaded, Loader
from limbeck.captions.reading import Reader, is_url
from limbeck.progress import track
from limbeck.records import schema
from limbeck.settings import Captions

NOTHING_SAID = "nothing said"


class Captioner(Protocol):
    """Says what pictures show; empty texts where it has nothing to say."""

    def caption(self, pictures: Sequence[Image.Image]) -> list[str]:
        """One line for each RGB picture."""


class Describer:
    """Makes the shards of `pictures`. The captioner is loaded when the first picture needs it."""

    def __init__(
        self,
        settings: Captions,
        reader: Reader,
        captioner: tuple[str, Callable[[], Captioner]],
        known: pa.Table,
    ) -> None:
        self._settings = settings
        self._name, self._load = captioner
        kept = [row for row in known.to_pylist() if row["captioner"] == self._name and row["caption"]]
        self._captions: dict[str, str] = {row["image_digest"]: row["caption"] for row in kept}
        fetched = {row["image"]: row["image_digest"] for row in kept if row["refetch"] == settings.refetch}
        self._loader = Loader(settings, reader, fetched)

    def shards(self, images: Sequence[str]) -> Mapping[str, Callable[[], pa.Table]]:
        """What makes each shard, by its key; for `Workspace.write_table`."""
        size = self._settings.pictures_per_shard
        begins = range(0, len(images), size)
        return {
            f"{i:05d}": partial(self._shard, images[begin : begin + size], len(images) - begin)
            for i, begin in enumerate(begins)
        }

    @cached_property
    def _captioner(self) -> Captioner:
        return self._load()

    def _shard(self, images: Sequence[str], left: int) -> pa.Table:
        """One shard; `left` counts the pictures of this one and those after it."""
        found: dict[str, Loaded] = {}
        with (
            track("captions", left, "pictures") as advance,
            closing(self._loader.batches(images, self._captions, found, advance)) as batches,
        ):
            advance(0)  # starts the clock of the rate
            for batch in batches:
                said = self._captioner.caption([picture.pixels for picture in batch if picture.pixels])
                self._captions |= {str(picture.digest): text for picture, text in zip(batch, said)}
                advance(len(batch))
        return pa.Table.from_pylist([self._row(found[image]) for image in images], schema("pictures"))

    def _row(self, picture: Loaded) -> dict[str, str | None]:
        caption = None if picture.skipped else self._captions.get(str(picture.digest)) or None
        return {
            "image": picture.image,
            "image_digest": picture.digest,
            "caption": caption,
            "captioner": self._name,
            "skipped": None if caption else picture.skipped or NOTHING_SAID,
            "refetch": self._settings.refetch if is_url(picture.image) else None,
        }
