"""The captions table: what a captioner says it sees, in English whatever the Pin's language, with a captioner's errors.

It sees colours, shapes and some materials, never styles or occasions. Some of its colours are wrong, some things are
taken for others, some objects are not there at all, and some captions could be of anything.
"""

import random

import numpy as np
import pyarrow as pa

from limbeck import records
from limbeck.settings import World
from limbeck.sources.world.attributes import RGB
from limbeck.sources.world.catalogue import Catalogue, catalogue
from limbeck.sources.world.streams import stream, word_stream
from limbeck.sources.world.tells import Told, told
from limbeck.sources.world.vocabulary import ATTRIBUTES, COLOUR, INTEREST_OF, INTERESTS, MATERIAL, THINGS
from limbeck.sources.world.wording import attribute_word, thing_word

ENGLISH = 0
WRONG_COLOUR, WRONG_THING, HALLUCINATED, GENERIC = 0.08, 0.06, 0.12, 0.08
CAPTIONER = "world"
_FRAMES = (
    "a photo of {}",
    "{} on a white background",
    "a close up of {}",
    "there is {} in the picture",
    "{}, seen from above",
    "{} in a {} setting",
)
_HALLUCINATIONS = (
    "a vase of flowers",
    "a cat",
    "a cup of coffee",
    "a wooden table",
    "two people",
    "a cell phone",
    "a potted plant",
)
_GENERIC = (
    "a close up of an object",
    "a picture of a person holding something",
    "a collage of photos",
    "an image with some text on it",
)


def captions(settings: World, seed: int, shard: int) -> pa.Table:
    """The captions of the pictured Pins of one shard."""
    world = catalogue(settings, seed)
    start = shard * settings.pins_per_shard
    pins = start + np.flatnonzero(world.pictured[start : start + settings.pins_per_shard])
    rng, words = stream(seed, "captions", shard), word_stream(seed, "captions", shard)
    seen = told("caption", world.facets.take(pins), rng)
    rows = np.flatnonzero(seen.there)
    texts = [_caption(world, int(pins[row]), seen, row, words) for row in rows.tolist()]
    columns = {
        "pin_id": world.pin_ids[pins[rows]],
        "image_digest": pa.nulls(len(rows), pa.string()),
        "caption": texts,
        "captioner": [CAPTIONER] * len(rows),
    }
    return pa.table(columns).cast(records.schema("captions"))


def _caption(world: Catalogue, pin: int, seen: Told, row: int, words: random.Random) -> str:
    if words.random() < GENERIC:
        return words.choice(_GENERIC)
    thing = int(world.facets.thing[pin])
    noun = _noun(thing, words) if seen.thing[row] else "object"
    described = " ".join([*_visible(seen.attributes[row], words), noun])
    article = "" if described.endswith("s") else "an " if described[0] in "aeiou" else "a "
    text = words.choice(_FRAMES).format(article + described, INTERESTS[INTEREST_OF[thing]].words[ENGLISH][0])
    return f"{text} next to {words.choice(_HALLUCINATIONS)}" if words.random() < HALLUCINATED else text


def _noun(thing: int, words: random.Random) -> str:
    """What the captioner takes it for: at times something else of a similar outline."""
    if words.random() < WRONG_THING:
        thing = words.choice([t for t, other in enumerate(THINGS) if other.shape == THINGS[thing].shape])
    return thing_word(thing, ENGLISH, words)


def _visible(attributes: np.ndarray, words: random.Random) -> list[str]:
    colour, material = int(attributes[COLOUR]), int(attributes[MATERIAL])
    if colour >= 0:
        # A narrow shade is often called by its broad name.
        colour = words.randrange(len(RGB)) if words.random() < WRONG_COLOUR else colour
        broader = ATTRIBUTES[colour].broader
        shade = broader if broader and words.random() < 0.5 else attribute_word(colour, ENGLISH, words)
        return [shade] if material < 0 else [shade, attribute_word(material, ENGLISH, words)]
    return [] if material < 0 else [attribute_word(material, ENGLISH, words)]
