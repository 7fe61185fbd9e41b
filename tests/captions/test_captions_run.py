"""`limbeck caption`, whole: a user's tables, pictures of every kind, a tiny random BLIP; killed and run again."""

import csv
import io
import os
import shutil
from collections import Counter
from unittest import mock

import killed
import numpy as np
import pytest
from longer import longer
from PIL import Image
from tiny_captioners import write_blip

from limbeck import pipeline, progress
from limbeck.captions.model import Captioner
from limbeck.cli import app
from limbeck.errors import InputError
from limbeck.recipe_file import read
from limbeck.workspace import Workspace

RECIPE = """
[captions]
model = "blip"
batch_size = 2
max_new_tokens = 6
pictures_per_shard = 3
folder = "pictures"

[[tables.pins]]
files = ["pins.csv"]
columns = { pin_id = "id", title = "title", image = "image" }

[[tables.captions]]
files = ["captions.csv"]
columns = { pin_id = "id", caption = "caption" }
constants = { captioner = "people" }

[text]
buckets = 1

[teacher]
backbone = "encoder"

[student]
backbone = "encoder"
"""
SKIPPED = {"broken": 1, "no such file": 1, "outside the folder": 1, "a URL, and fetching is off": 1}
SOUND = 8


def noise(number, size=(40, 36)):
    random = np.random.default_rng(number)
    return Image.fromarray(random.integers(0, 255, (*size, 3), dtype=np.uint8))


def table(path, header, rows):
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.fixture(scope="module")
def made(tmp_path_factory, tiny_encoder):
    """A shop: nine sound pictures, one under two Pins, one with a caption of its own; and four that are not sound."""
    home = tmp_path_factory.mktemp("shop")
    write_blip(home / "blip")
    shutil.copytree(tiny_encoder, home / "encoder")
    (home / "pictures").mkdir()
    for number in range(9):
        noise(number).save(home / "pictures" / f"{number}.{['png', 'webp', 'jpg'][number % 3]}")
    names = sorted(path.name for path in (home / "pictures").iterdir())
    (home / "pictures" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    odd = ["broken.jpg", "nowhere.png", "../pins.csv", "http://10.0.0.1/a.png"]
    pins = [(f"p{i}", f"thing {i}", image) for i, image in enumerate([*names, names[0], *odd, ""])]
    table(home / "pins.csv", ("id", "title", "image"), pins)
    table(home / "captions.csv", ("id", "caption"), [("p8", "a thing that people saw")])
    (home / "shop.toml").write_text(RECIPE, encoding="utf-8")
    return home


@pytest.fixture
def shop(made, tmp_path):
    """A copy of the shop that a test may change."""
    return shutil.copytree(made, tmp_path / "shop")


@pytest.fixture(scope="module")
def captioned(made, tmp_path_factory):
    """The shop after a run."""
    shop = shutil.copytree(made, tmp_path_factory.mktemp("captioned") / "shop")
    bring(shop)
    return shop


@pytest.fixture
def known(captioned, tmp_path):
    """A copy of the shop after a run."""
    return shutil.copytree(captioned, tmp_path / "shop")


def bring(shop, until="caption"):
    pipeline.run(read(shop / "shop.toml"), Workspace(shop / "ws"), until)
    return Workspace(shop / "ws")


def counted(shop, until="caption"):
    """The workspace after a run, and how many pictures the model was shown in it."""
    shown, original = [], Captioner.caption

    def counting(self, pictures):
        shown.extend(pictures)
        return original(self, pictures)

    with mock.patch.object(Captioner, "caption", counting):
        return bring(shop, until), len(shown)


def skipped(ws):
    return Counter(filter(None, ws.table("pictures").column("skipped").to_pylist()))


def test_captions_of_all_that_have_none_and_counts_of_the_others(shop, capsys):
    progress.choose("json")
    try:
        ws, shown = counted(shop)
    finally:
        progress.choose("quiet")
    assert shown == SOUND
    assert skipped(ws) == SKIPPED
    said = [line for line in capsys.readouterr().out.splitlines() if '"event": "pictures"' in line]
    assert all(f'"{reason}": {count}' in said[0] for reason, count in SKIPPED.items())
    found = {row["pin_id"]: row for row in ws.table("generated_captions").to_pylist()}
    assert found.keys() == {*(f"p{i}" for i in range(8)), "p9"}, "p8 has words of its own"
    assert found["p0"]["caption"] == found["p9"]["caption"]
    assert all(row["caption"] and row["captioner"].startswith("blip@") for row in found.values())
    assert all(len(row["image_digest"]) == 32 for row in found.values())


def test_a_second_run_does_nothing_and_one_with_changes_only_those(known):
    before = {row["pin_id"]: row for row in Workspace(known / "ws").table("generated_captions").to_pylist()}
    manifest = (known / "ws/tables/pictures.json").read_bytes()
    _, shown = counted(known)
    assert shown == 0
    assert (known / "ws/tables/pictures.json").read_bytes() == manifest
    noise(100).save(known / "pictures" / "4.webp")
    ws, shown = counted(known)
    assert shown == 1
    after = {row["pin_id"]: row for row in ws.table("generated_captions").to_pylist()}
    assert [pin for pin in before if before[pin] != after[pin]] == ["p4"]


def test_touching_a_picture_costs_nothing(known):
    digest = Workspace(known / "ws").digest("generated_captions")
    for path in (known / "pictures").iterdir():
        os.utime(path, ns=(1, 1))
    ws, shown = counted(known)
    assert shown == 0
    assert ws.digest("generated_captions") == digest


def test_texts_have_the_users_caption_or_the_generated_one(known):
    ws = bring(known, "enrich")
    said = dict(zip(*(ws.table("pin_texts").column(c).to_pylist() for c in ("pin_id", "caption"))))
    generated = dict(zip(*(ws.table("generated_captions").column(c).to_pylist() for c in ("pin_id", "caption"))))
    assert said["p8"] == "a thing that people saw"
    assert {pin: said[pin] for pin in generated} == generated
    assert said["p12"] is None
    composed = dict(zip(*(ws.table("composed").column(c).to_pylist() for c in ("pin_id", "text"))))
    assert f"image: {generated['p1']}" in composed["p1"]


def test_without_captions_in_the_recipe_nothing_of_them_stays(known):
    recipe = (known / "shop.toml").read_text(encoding="utf-8")
    (known / "shop.toml").write_text(recipe[recipe.index("[[tables.pins]]") :], encoding="utf-8")
    ws = bring(known, "source")
    assert not ws.has("pictures")
    assert not ws.has("generated_captions")
    assert list((known / "ws/tables/pictures").glob("*")) == []
    with pytest.raises(InputError, match=r"no \[captions\] in it"):
        app(["caption", str(known / "shop.toml")], standalone_mode=False)


def shards(shop):
    return {path.name: path.read_bytes() for path in (shop / "ws/tables/pictures").glob("*.parquet")}


@pytest.mark.parametrize("call", [longer(1), 3, longer(4)])
def test_killed_at_any_batch_no_picture_of_a_finished_shard_is_shown_again(captioned, shop, call):
    killed.at(Captioner, "caption", call, bring, shop)
    finished = shards(shop)
    assert bool(finished) == (call > 2)
    done = sum(bool(row["caption"]) for row in _rows(finished))
    ws, shown = counted(shop)
    assert shown == SOUND - done
    assert ws.table("pictures").equals(Workspace(captioned / "ws").table("pictures"))
    assert finished.items() <= shards(shop).items()


@pytest.mark.long
def test_killed_and_changed_what_whole_shards_hold_is_still_not_shown_again(shop):
    killed.at(Captioner, "caption", 4, bring, shop)
    done = sum(bool(row["caption"]) for row in _rows(shards(shop)))
    assert done
    noise(7, (50, 50)).save(shop / "pictures" / "zz.png")
    with open(shop / "pins.csv", "a", encoding="utf-8") as file:
        file.write("p99,one more,zz.png\n")
    ws, shown = counted(shop)
    assert shown == SOUND + 1 - done
    assert "p99" in ws.table("generated_captions").column("pin_id").to_pylist()


def _rows(files):
    import pyarrow.parquet as pq

    return [row for data in files.values() for row in pq.read_table(io.BytesIO(data)).to_pylist()]


def test_a_model_that_is_not_there_is_refused_before_anything_is_written(shop):
    recipe = (shop / "shop.toml").read_text(encoding="utf-8").replace('model = "blip"', 'model = "./nowhere"')
    (shop / "shop.toml").write_text(recipe, encoding="utf-8")
    with pytest.raises(InputError, match=r"no model folder '\./nowhere'"):
        bring(shop)
    assert not (shop / "ws").exists()


@pytest.mark.parametrize(("key", "value"), [("batch_size", 0), ("max_bytes", -1), ("fetch_seconds", 0.0)])
def test_limits_are_more_than_nothing(shop, key, value):
    recipe = (shop / "shop.toml").read_text(encoding="utf-8").replace("batch_size = 2", f"{key} = {value}")
    (shop / "shop.toml").write_text(recipe, encoding="utf-8")
    with pytest.raises(InputError, match=rf"captions\.{key} is {value}, expected more than 0"):
        read(shop / "shop.toml")
