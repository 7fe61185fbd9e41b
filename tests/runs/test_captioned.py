"""The generated world's own pictures, captioned by a tiny BLIP: what it says means nothing, and is all there."""

import tiny_run
from tiny_captioners import write_blip

from limbeck.workspace import Workspace


def test_a_run_captions_the_worlds_own_pictures(home, copy):
    write_blip(home.folder / "recipes" / "blip")
    recipe = home.folder / "recipes" / "captioned.toml"
    captions = {"model": "blip", "max_new_tokens": 4}
    recipe.write_text(tiny_run.toml({**tiny_run.RECIPE, "captions": captions}), encoding="utf-8")
    ended = home.limbeck("--json", "caption", str(recipe), "--workspace", copy)
    assert list(ended.made) == ["pictures", "generated_captions"], ended.err
    ws = Workspace(copy)
    image_of = dict(zip(*ws.table("pins", ["pin_id", "image"]).to_pydict().values()))
    own = set(ws.table("captions", ["pin_id"]).column("pin_id").to_pylist())
    said = dict(zip(*ws.table("pictures", ["image", "skipped"]).to_pydict().values()))
    captioned = set(ws.table("generated_captions", ["pin_id"]).column("pin_id").to_pylist())
    left = {pin: image for pin, image in image_of.items() if image and pin not in own}
    assert set(left.values()) == set(said)
    assert captioned == {pin for pin, image in left.items() if said[image] is None}
    assert len(captioned) > len(left) / 2
    assert not home.limbeck("--json", "caption", str(recipe), "--workspace", copy).made
