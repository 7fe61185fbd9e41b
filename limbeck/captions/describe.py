"""The pictures that Pins name, captioned shard by shard: each picture's bytes are paid for once.

A row of the `pictures` table is either a caption or the reason why there is none. Whatever whole shards hold already is
kept, also those of a run that was killed or whose recipe has changed since: by image digest and captioner.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Protocol

import pyarrow as pa
from PIL import Image

from limbeck.captions.loading import Loaded, Loader
from limbeck.captions.reading import Reader, is_url
from limbeck.captions.shards import PictureShards
from limbeck.settings import Captions

NOTHING_SAID = "nothing said"


class Captioner(Protocol):
    """Says what pictures show; empty texts where it has nothing to say."""

    def caption(self, pictures: Sequence[Image.Image]) -> list[str]:
        """One line for each RGB picture."""


class Describer(PictureShards[str]):
    """Makes the shards of `pictures`. The captioner is loaded when the first picture needs it."""

    table, what = "pictures", "captions"

    def __init__(
        self,
        settings: Captions,
        reader: Reader,
        captioner: tuple[str, Callable[[], Captioner]],
        known: pa.Table,
    ) -> None:
        self._name, self._load = captioner
        self._refetch = settings.refetch
        kept = [row for row in known.to_pylist() if row["captioner"] == self._name and row["caption"]]
        captions = {row["image_digest"]: row["caption"] for row in kept}
        fetched = {row["image"]: row["image_digest"] for row in kept if row["refetch"] == settings.refetch}
        super().__init__(Loader(settings, reader, fetched), captions, settings.pictures_per_shard)

    @cached_property
    def _captioner(self) -> Captioner:
        return self._load()

    def _see(self, pictures: Sequence[Image.Image]) -> list[str]:
        return self._captioner.caption(pictures)

    def _row(self, picture: Loaded) -> dict[str, str | None]:
        caption = None if picture.skipped else self._known.get(str(picture.digest)) or None
        return {
            "image": picture.image,
            "image_digest": picture.digest,
            "caption": caption,
            "captioner": self._name,
            "skipped": None if caption else picture.skipped or NOTHING_SAID,
            "refetch": self._refetch if is_url(picture.image) else None,
        }
