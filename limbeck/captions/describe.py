"""The pictures that Pins name, captioned shard by shard: each picture's bytes are paid for once.

A row of the `pictures` table is either a caption or the reason why there is none. Whatever whole shards hold already is
kept, also those of a run that was killed or whose recipe has changed since: by image digest and captioner.
"""

import hashlib
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol

import pyarrow as pa
from PIL import Image

from limbeck.captions.decode import Decoder, Limits, decoding
from limbeck.captions.reading import Reader, is_url
from limbeck.captions.skipped import SkippedError
from limbeck.progress import Advance, track
from limbeck.records import schema
from limbeck.settings import Captions

FETCHED_AT_ONCE = 8
NOTHING_SAID = "nothing said"


class Captioner(Protocol):
    """Says what pictures show; empty texts where it has nothing to say."""

    def caption(self, pictures: Sequence[Image.Image]) -> list[str]:
        """One line for each RGB picture."""


@dataclass(frozen=True)
class Loaded:
    """What was found under a picture's name: why it is skipped; else its digest, and its pixels if they are needed."""

    image: str
    digest: str | None = None
    skipped: str | None = None
    pixels: Image.Image | None = None


class Describer:
    """Makes the shards of `pictures`. The captioner is loaded when the first picture needs it."""

    def __init__(
        self,
        settings: Captions,
        reader: Reader,
        captioner: tuple[str, Callable[[], Captioner]],
        known: pa.Table,
    ) -> None:
        self._settings, self._reader = settings, reader
        self._name, self._load = captioner
        kept = [row for row in known.to_pylist() if row["captioner"] == self._name and row["caption"]]
        self._captions: dict[str, str] = {row["image_digest"]: row["caption"] for row in kept}
        self._fetched = {row["image"]: row["image_digest"] for row in kept if row["refetch"] == settings.refetch}

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
        with track("captions", left, "pictures") as advance, self._loading() as load:
            advance(0)  # starts the clock of the rate
            loaded = ahead(load, images, 2 * self._settings.batch_size + FETCHED_AT_ONCE)
            for batch in self._batches(loaded, found, advance):
                said = self._captioner.caption([picture.pixels for picture in batch if picture.pixels])
                self._captions |= {str(picture.digest): text for picture, text in zip(batch, said)}
                advance(len(batch))
        return pa.Table.from_pylist([self._row(found[image]) for image in images], schema("pictures"))

    def _batches(self, loaded: Iterable[Loaded], found: dict[str, Loaded], advance: Advance) -> Iterator[list[Loaded]]:
        """Pictures that are to be captioned, each digest once, batch by batch; all are noted in `found`."""
        asked: set[str] = set()

        def new() -> Iterator[Loaded]:
            for picture in loaded:
                found[picture.image] = Loaded(picture.image, picture.digest, picture.skipped)
                if picture.pixels and picture.digest not in asked and picture.digest not in self._captions:
                    asked.add(str(picture.digest))
                    yield picture
                else:
                    advance(1)

        pictures = new()
        while batch := list(itertools.islice(pictures, self._settings.batch_size)):
            yield batch

    @contextmanager
    def _loading(self) -> Iterator[Callable[[str], Loaded]]:
        of = self._settings
        limits = Limits(of.decoder_bytes, of.decode_seconds, of.max_pixels, of.edge)
        with decoding(limits, min(4, os.cpu_count() or 1)) as decoder:
            yield partial(self._loaded, decoder)

    def _loaded(self, decoder: Decoder, image: str) -> Loaded:
        """A picture as it is now. What came from a URL is taken to be what it was, until `refetch` changes."""
        if is_url(image) and image in self._fetched:
            return Loaded(image, self._fetched[image])
        digest = None
        try:
            data = self._reader.read(image)
            digest = hashlib.sha256(data).hexdigest()[:32]
            return Loaded(image, digest, pixels=None if digest in self._captions else decoder.decode(data))
        except SkippedError as error:
            return Loaded(image, digest, error.reason)

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


def ahead(work: Callable[[str], Loaded], items: Iterable[str], most: int) -> Iterator[Loaded]:
    """`work` done on the items by some threads, answers in order, no more than `most` of them waiting."""
    waiting: deque[Future[Loaded]] = deque()
    with ThreadPoolExecutor(FETCHED_AT_ONCE) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= most:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
