"""Pictures: one file per look, in the Pin's colours, readable by any decoder, the same every time."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_worlds import SEED, TINY, Made

from limbeck.sources.world import generate
from limbeck.sources.world.attributes import RGB
from limbeck.sources.world.pictures import MARGIN, SIDE, picture
from limbeck.sources.world.shapes import SHAPES
from limbeck.sources.world.vocabulary import ATTRIBUTE, THING, THINGS


def test_every_image_of_the_pins_table_is_drawn(tiny: Made, tmp_path: Path) -> None:
    generate.draw(TINY, SEED, tiny.tables["pins"], tmp_path)
    named = {image for image in tiny.tables["pins"]["image"].to_pylist() if image}
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png")} == named
    for image in named:
        with Image.open(tmp_path / image) as opened:
            assert opened.size == (SIDE, SIDE)
            assert len(opened.convert("RGB").getcolors()) >= 3


def test_the_same_pins_give_the_same_bytes(tiny: Made, tmp_path: Path) -> None:
    few = tiny.tables["pins"].slice(0, 20)
    for folder in ("a", "b"):
        generate.draw(TINY, SEED, few, tmp_path / folder)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.png"))
    assert files
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_picture_shows_the_pins_colour() -> None:
    blue = np.asarray(picture((THING["sofa"], ATTRIBUTE["blue"], -1)).convert("RGB"))
    assert (blue == RGB["blue"]).all(axis=2).mean() > 0.1
    red = np.asarray(picture((THING["sofa"], ATTRIBUTE["red"], -1)).convert("RGB"))
    assert not (red == RGB["blue"]).all(axis=2).any()


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_a_shape_is_drawn_within_its_frame_and_is_unlike_the_others(shape: str) -> None:
    thing = next(number for number, entry in enumerate(THINGS) if entry.shape == shape)
    outline = np.asarray(picture((thing, ATTRIBUTE["red"], -1))) > 0
    inner = outline[MARGIN - 5 : SIDE - MARGIN + 5, MARGIN - 5 : SIDE - MARGIN + 5]
    assert 0.05 < inner.mean() < 0.8
    for other, entry in enumerate(THINGS):
        if entry.shape != shape:
            seen = np.asarray(picture((other, ATTRIBUTE["red"], -1))) > 0
            assert min((seen != outline).mean(), (seen[:, ::-1] != outline).mean()) > 0.01
