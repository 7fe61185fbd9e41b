"""From the tables of a workspace to its `pictures` and `generated_captions`."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from limbeck.captions.fetch import Fetcher
from limbeck.captions.reading import Reader, state
from limbeck.settings import Captions, Pictures
from limbeck.workspace import Workspace, digest_of

Shards = Mapping[str, Callable[[], pa.Table]]


def wanted(ws: Workspace) -> list[str]:
    """What Pins without a caption of the user's name as their picture, each once, in order."""
    images = _uncaptioned(ws).column("image").unique().drop_null()
    return sorted(image for image in images.to_pylist() if image.strip())


def all_named(ws: Workspace) -> list[str]:
    """What Pins name as their picture, each once, in order."""
    images = ws.table("pins", ["image"]).column("image").unique().drop_null()
    return sorted(image for image in images.to_pylist() if image.strip())


def fingerprint(images: list[str], folder: Path) -> str:
    """A digest of the names, sizes and times of pictures: what tells whether any of them may be another by now."""
    return digest_of(*(f"{image} {state(image, folder)}" for image in images))


def pictures(ws: Workspace, settings: Captions, folder: Path, model: tuple[str, str], images: list[str]) -> Shards:
    """The shards of `pictures`. `model`: the captioner's name in the tables, and where its weights are."""
    from limbeck.captions.describe import Describer  # torch and transformers take seconds to import
    from limbeck.captions.model import Captioner

    captioner = (model[0], partial(Captioner, settings, model[1]))
    return Describer(settings, reader(settings, folder), captioner, ws.salvaged("pictures")).shards(images)


def reader(settings: Pictures, folder: Path) -> Reader:
    """What reads pictures of a folder, and fetches others where that is allowed."""
    fetcher = Fetcher(settings.fetch_seconds, settings.max_bytes) if settings.fetch else None
    return Reader(folder, settings.max_bytes, fetcher)


def generated(ws: Workspace) -> pa.Table:
    """A caption for each Pin whose picture has one, where the user gave none."""
    found = ws.table("pictures", ["image", "image_digest", "caption", "captioner"])
    found = found.filter(pc.is_valid(found.column("caption")))
    pins = _uncaptioned(ws)
    place = pc.index_in(pins.column("image"), found.column("image").combine_chunks())
    there = pc.is_valid(place)
    rows = found.take(place.filter(there)).append_column("pin_id", pins.column("pin_id").filter(there))
    return rows.select(["pin_id", "image_digest", "caption", "captioner"])


def counts(ws: Workspace, table: str = "pictures") -> dict[str, int]:
    """How many pictures were skipped, by reason, most first; "" counts those that were not."""
    tallied = ws.table(table, ["skipped"]).column("skipped").fill_null("").value_counts().to_pylist()
    return {entry["values"]: entry["counts"] for entry in sorted(tallied, key=lambda e: (-e["counts"], e["values"]))}


def _uncaptioned(ws: Workspace) -> pa.Table:
    pins = ws.table("pins", ["pin_id", "image"])
    own = ws.table("captions", ["pin_id"]).column("pin_id").combine_chunks()
    return pins.filter(pc.invert(pc.is_in(pins.column("pin_id"), own)))
