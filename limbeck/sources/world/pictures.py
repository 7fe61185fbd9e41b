"""Pictures of Pins: the thing's shape in its colour, textured by its material, before a background of its interest.

Pins of the same thing, colour and material share a picture, as re-pinned photos do. A picture is drawn as palette
indices once per shape and texture; a look only mirrors it and brings its own palette.
"""

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw

from limbeck.settings import World
from limbeck.sources.world.attributes import RGB
from limbeck.sources.world.catalogue import Catalogue, catalogue
from limbeck.sources.world.shapes import SHAPES
from limbeck.sources.world.vocabulary import ATTRIBUTES, COLOUR, INTEREST_OF, MATERIAL, THINGS

SIDE = 112
MARGIN = 8
BACKGROUND, BODY, SHADE, INK, LIGHT = range(5)
PLAIN = (200, 160, 120)  # the body of what has no colour of its own
INK_COLOUR, LIGHT_COLOUR = (60, 50, 45), (250, 244, 232)
TEXTURES = 6

Look = tuple[int, int, int]  # thing, colour, material


def draw(settings: World, seed: int, pins: pa.Table, out: Path) -> None:
    """Draw the pictures of these Pins into `out`, each under the path in its `image` column.

    Pins that came from elsewhere have pictures of their own.
    """
    world = catalogue(settings, seed)
    number = {pin_id: pin for pin, pin_id in enumerate(world.pin_ids.tolist())}
    asked = zip(pins.column("image").to_pylist(), map(number.get, pins.column("pin_id").to_pylist()))
    drawn = ((image, pin) for image, pin in asked if image and pin is not None)
    looks = {image: _look(world, pin) for image, pin in drawn if image == image_path(world, pin)}
    for folder in {Path(image).parent for image in looks}:
        (out / folder).mkdir(parents=True, exist_ok=True)
    for image, look in looks.items():
        picture(look).save(out / image, compress_level=1)


def image_path(world: Catalogue, pin: int) -> str | None:
    """Where a Pin's picture lies, relative to the folder of pictures; the name tells nothing of what is on it."""
    if not world.pictured[pin]:
        return None
    name = _digest(_look(world, pin))
    return f"{name[:2]}/{name[2:16]}.png"


def picture(look: Look) -> Image.Image:
    """The picture of a look, SIDE × SIDE, with a palette of five colours."""
    thing, colour, material = look
    indices = _indices(THINGS[thing].shape, material % TEXTURES if material >= 0 else 0)
    mirrored = int(_digest(look)[-1], 16) % 2 == 1
    image = Image.fromarray(np.ascontiguousarray(indices[:, ::-1]) if mirrored else indices, "P")
    image.putpalette(_palette(colour, material, int(INTEREST_OF[thing])))
    return image


def _look(world: Catalogue, pin: int) -> Look:
    values = world.facets.attributes[pin]
    return int(world.facets.thing[pin]), int(values[COLOUR]), int(values[MATERIAL])


def _digest(look: Look) -> str:
    return hashlib.md5(f"look {look}".encode(), usedforsecurity=False).hexdigest()


@cache
def _indices(shape: str, texture: int) -> np.ndarray:
    """(SIDE, SIDE) uint8 palette indices of a shape whose body bears a texture."""
    canvas = Image.new("L", (SIDE, SIDE), BACKGROUND)
    pen, scale = ImageDraw.Draw(canvas), (SIDE - 2 * MARGIN) / 100
    for primitive in SHAPES[shape].split(";"):
        form, *numbers = primitive.split()
        at, colour = [MARGIN + float(n) * scale for n in numbers], int(form[1])
        if form[0] == "r":
            pen.rectangle(at, fill=colour)
        elif form[0] == "e":
            pen.ellipse(at, fill=colour)
        elif form[0] == "p":
            pen.polygon(at, fill=colour)
        else:
            pen.line(at, fill=colour, width=round(4 * scale))
    indices = np.array(canvas)
    indices[(indices == BODY) & _texture(texture)] = SHADE
    return indices


@cache
def _texture(number: int) -> np.ndarray:
    """(SIDE, SIDE) bool: nothing, stripes down, stripes across, dots, diagonals, a weave."""
    y, x = np.mgrid[:SIDE, :SIDE]
    every = 8
    return (
        np.zeros_like(x, dtype=bool),
        x % every == 0,
        y % every == 0,
        (x % every < 2) & (y % every < 2),
        (x + y) % every == 0,
        (x % every == 0) ^ (y % every == 0),
    )[number]


@cache
def _palette(colour: int, material: int, interest: int) -> list[int]:
    """The five colours as one flat list; food takes its colour from its main ingredient."""
    body = np.array(RGB[ATTRIBUTES[colour].code] if colour >= 0 else _food_colour(material))
    background = np.array((238, 238, 238)) - np.array((interest * 37 % 60, interest * 53 % 60, interest * 71 % 60))
    return [int(v) for part in (background, body, body * 3 // 4, INK_COLOUR, LIGHT_COLOUR) for v in part]


def _food_colour(material: int) -> tuple[int, int, int]:
    if material < 0:
        return PLAIN
    return (90 + material * 47 % 150, 60 + material * 29 % 150, 40 + material * 83 % 120)
