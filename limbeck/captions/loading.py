"""Pictures by the names that Pins give them: read ahead, and decoded where nobody has seen their bytes yet."""

import hashlib
import itertools
import os
from collections import deque
from collections.abc import Callable, Container, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from PIL import Image

from limbeck.captions.decode import Decoder, Limits, decoding
from limbeck.captions.reading import Reader, is_url
from limbeck.captions.skipped import SkippedError
from limbeck.progress import Advance
from limbeck.settings import Pictures

FETCHED_AT_ONCE = 8


@dataclass(frozen=True)
class Loaded:
    """What was found under a picture's name: why it is skipped; else its digest, and its pixels if they are needed."""

    image: str
    digest: str | None = None
    skipped: str | None = None
    pixels: Image.Image | None = None


class Loader:
    """Loads pictures for a model that is to see each of them once, whatever its names."""

    def __init__(self, settings: Pictures, reader: Reader, fetched: Mapping[str, str]) -> None:
        """`fetched`: digests of what URLs showed, which they are taken to show still."""
        self._settings, self._reader, self._fetched = settings, reader, fetched

    def batches(
        self, images: Sequence[str], known: Container[str], found: dict[str, Loaded], advance: Advance
    ) -> Generator[list[Loaded]]:
        """Pictures whose digest is not `known`, each digest once, batch by batch; all are noted in `found`.

        What is in no batch, `advance` is told of.
        """
        size, asked = self._settings.batch_size, set[str]()
        of = self._settings
        limits = Limits(of.decoder_bytes, of.decode_seconds, of.max_pixels, of.edge)

        def new(decoder: Decoder) -> Iterator[Loaded]:
            for picture in ahead(lambda image: self._loaded(decoder, known, image), images, 2 * size + FETCHED_AT_ONCE):
                found[picture.image] = Loaded(picture.image, picture.digest, picture.skipped)
                if picture.pixels and picture.digest not in asked and picture.digest not in known:
                    asked.add(str(picture.digest))
                    yield picture
                else:
                    advance(1)

        with decoding(limits, min(4, os.cpu_count() or 1)) as decoder:
            pictures = new(decoder)
            while batch := list(itertools.islice(pictures, size)):
                yield batch

    def _loaded(self, decoder: Decoder, known: Container[str], image: str) -> Loaded:
        """A picture as it is now."""
        if is_url(image) and image in self._fetched:
            return Loaded(image, self._fetched[image])
        digest = None
        try:
            data = self._reader.read(image)
            digest = hashlib.sha256(data).hexdigest()[:32]
            return Loaded(image, digest, pixels=None if digest in known else decoder.decode(data))
        except SkippedError as error:
            return Loaded(image, digest, error.reason)


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
