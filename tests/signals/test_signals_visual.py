"""What Pins look like: pictures seen once by their bytes, a few columns of their vectors, the cosine with the query."""

import dataclasses
import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from sides import assert_sides_agree
from sklearn.decomposition import PCA
from tiny_seers import write_clip

from limbeck import pipeline, seeing
from limbeck.captions.reading import Reader
from limbeck.errors import InputError
from limbeck.making import Run
from limbeck.records import conform, empty, schema
from limbeck.settings import Recipe, TableMapping
from limbeck.settings import Visual as Settings
from limbeck.signals import clip, joined, visual
from limbeck.signals.image_vectors import Embedder
from limbeck.signals.visual import Visual, seen
from limbeck.workspace import Made, Workspace

FEW = Settings(batch_size=2, pictures_per_shard=3, edge=64)


class Colours:
    """Sees the colour of the first pixel, and remembers every picture it was shown."""

    def __init__(self):
        self.shown = []

    def see(self, pictures):
        found = np.asarray([picture.getpixel((0, 0)) for picture in pictures], np.float32) + 1
        self.shown += [tuple(map(int, row - 1)) for row in found]
        return found / np.linalg.norm(found, axis=1, keepdims=True)


def png(colour):
    data = io.BytesIO()
    Image.new("RGB", (20, 20), colour).save(data, "PNG")
    return data.getvalue()


def write(folder, **pictures):
    for name, data in pictures.items():
        (folder / f"{name}.png").write_bytes(data)


def embed(folder, images, model, known=None, name="colours@1"):
    """All shards as one table, each what the `image_vectors` table wants."""
    embedder = Embedder(FEW, Reader(folder, 10_000, None), (name, lambda: model), known or empty("image_vectors"))
    return pa.concat_tables([conform(make(), "image_vectors") for make in embedder.shards(images).values()])


def look(folder, pins, read):
    """The signal of these Pins, opened."""
    return Visual(folder, visual.aligned(folder, pa.array(pins)), read)


IMAGES = ["a.png", "b.png", "broken.png", "copy.png", "gone.png"]


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, a=png((9, 0, 0)), b=png((0, 9, 0)), copy=png((9, 0, 0)), broken=b"\x89PNG\r\n\x1a\n no more")
    return tmp_path


def test_each_picture_is_seen_once_and_the_others_say_why_not(folder):
    model = Colours()
    found = embed(folder, IMAGES, model)
    assert model.shown == [(9, 0, 0), (0, 9, 0)]
    assert found.column("skipped").to_pylist() == [None, None, "broken", None, "no such file"]
    vectors, rows = seen(found)
    assert rows.column("image").to_pylist() == ["a.png", "b.png", "copy.png"]
    np.testing.assert_array_equal(vectors[0], vectors[2])
    np.testing.assert_allclose(vectors[1], np.array([1, 10, 1]) / np.sqrt(102), atol=1e-6)


def test_what_was_seen_is_not_seen_again_but_new_bytes_and_by_another_model_are(folder):
    known = embed(folder, IMAGES, Colours())
    write(folder, b=png((0, 0, 9)), new=png((9, 9, 9)))
    again = Colours()
    embed(folder, [*IMAGES, "new.png"], again, known)
    assert again.shown == [(0, 0, 9), (9, 9, 9)]
    other = Colours()
    embed(folder, IMAGES, other, known, "colours@2")
    assert len(other.shown) == 2


def test_no_pictures_at_all(folder):
    nothing = embed(folder, ["gone.png"], None)
    vectors, rows = seen(nothing)
    assert (vectors.size, rows.num_rows) == (0, 0)
    visual.build(nothing, pa.table({"pin_id": ["p"], "image": ["gone.png"]}), 0, folder)
    found = look(folder, ["p"], None).columns(["q"], np.zeros(1, int), np.zeros(1, int))
    assert np.isnan(found).all()


# -- the columns --


def test_columns_are_principal_components():
    random = np.random.default_rng(0)
    vectors = (random.normal(size=(200, 24)) * np.linspace(3, 0.1, 24) + 1).astype(np.float32)
    oracle = PCA(visual.SIZE, svd_solver="full").fit_transform(vectors.astype(np.float64))
    found = visual.compressed(vectors, 0)
    np.testing.assert_allclose(np.abs(found), np.abs(oracle), atol=1e-3)
    np.testing.assert_array_equal(found, visual.compressed(vectors, 0))


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_the_signal_tells_the_look_of_a_pin_and_its_cosine_with_the_query(tmp_path):
    random = np.random.default_rng(1)
    vectors, queries = unit(random.normal(size=(3, 20))), unit(random.normal(size=(2, 20)))
    rows = [
        (f"{i}.png", f"d{i}", vectors[i] if i < 3 else (), "m", None if i < 3 else "broken", None) for i in range(4)
    ]
    names = schema("image_vectors").names
    table = pa.Table.from_pylist([dict(zip(names, row)) for row in rows], schema("image_vectors"))
    pins = pa.table(
        {"pin_id": ["p0", "none", "p1", "skipped", "too"], "image": ["2.png", None, "0.png", "3.png", "2.png"]}
    )
    visual.build(table, pins, 0, tmp_path)
    signal = look(tmp_path, ["later", *pins.column("pin_id").to_pylist()], lambda texts: queries[: len(texts)])
    assert [(group.name, group.of, len(group.columns)) for group in signal.groups] == [
        ("visual.pin", "pin", 16),
        ("visual", "pair", 1),
    ]
    asked, pin = np.array([0, 1, 0, 1, 0, 1, 0]), np.array([1, 1, 3, 5, 0, 2, -1])
    found = signal.columns(["a", "b"], asked, pin)
    picture = [2, 2, 0, 2]
    np.testing.assert_allclose(found[:4, -1], np.einsum("nd,nd->n", queries[asked[:4]], vectors[picture]), atol=2e-3)
    np.testing.assert_array_equal(found[:4, :-1], visual.compressed(vectors, 0)[picture])
    assert np.isnan(found[4:]).all()
    others = signal.over(np.ones((3, 4), np.float32), np.array([-1, 3, 0]))  # what they say does not tell their look
    np.testing.assert_array_equal(others.columns(["a"], np.zeros(3, int), np.arange(3))[1], found[2])
    assert np.isnan(others.columns(["a"], np.zeros(3, int), np.array([0, 2, -1]))).all()
    assert_sides_agree(others, "a", np.array([1, 0, -1]))
    assert signal.columns([], asked[:0], pin[:0]).shape == (0, 17)
    assert_sides_agree(signal, "a", pin)
    blind = look(tmp_path, ["p0"], None)
    assert [group.name for group in blind.groups] == ["visual.pin"]
    assert blind.columns(["a"], asked[:1], asked[:1]).shape == (1, 16)
    assert_sides_agree(blind, "a", np.array([0, 1, -1]))


# -- in a workspace --


@pytest.fixture
def shop(tmp_path):
    """A recipe with a model and pictures, and a workspace that has its Pins."""
    write_clip(tmp_path / "clip")
    (tmp_path / "photos").mkdir()
    for number in range(5):
        noise = np.random.default_rng(number).integers(0, 255, (30, 30, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "photos" / f"{number}.png")
    (tmp_path / "outside.png").write_bytes(png((1, 2, 3)))
    names = [*(f"{number}.png" for number in range(5)), "../outside.png", None]
    pins = [dict.fromkeys(schema("pins").names) | {"pin_id": f"p{i}", "image": name} for i, name in enumerate(names)]
    ws = Workspace(tmp_path / "ws")
    ws.write_table("pins", Made(), {"00000": lambda: pa.Table.from_pylist(pins, schema("pins"))})
    settings = Settings(model="clip", folder="photos", pictures_per_shard=2)
    return Recipe("shop", tables={"pins": (TableMapping(("x",)),)}, visual=settings, folder=tmp_path), ws


def see(shop, monkeypatch, **changes):
    """What a run makes, and how many pictures the model sees in it."""
    recipe, ws = shop
    shown, original = [], clip.ImageTower.see
    monkeypatch.setattr(clip.ImageTower, "see", lambda self, some: shown.extend(some) or original(self, some))
    run = Run(dataclasses.replace(recipe, **changes), ws, {})
    seeing.see(run)
    monkeypatch.setattr(clip.ImageTower, "see", original)
    return run.made, len(shown)


def test_a_run_sees_what_is_new_and_nothing_else(shop, monkeypatch):
    recipe, ws = shop
    assert see(shop, monkeypatch) == (["image_vectors", "signals/visual"], 5)
    assert ws.table("image_vectors").column("skipped").to_pylist()[0] == "outside the folder"
    assert see(shop, monkeypatch) == ([], 0)
    write(recipe.folder / "photos", **{"3": png((7, 7, 7))})
    assert see(shop, monkeypatch) == (["image_vectors", "signals/visual"], 1)
    assert see(shop, monkeypatch, visual=None) == ([], 0)
    assert not ws.has("image_vectors")
    assert not ws.has("signals/visual")


def test_the_workspace_alone_tells_the_cosine(shop, monkeypatch):
    recipe, ws = shop
    see(shop, monkeypatch)
    vectors, rows = seen(ws.table("image_vectors"))
    folder, expected = ws.folder("signals/visual"), clip.TextTower(ws.folder("signals/visual") / "texts")
    (recipe.folder / "clip").rename(recipe.folder / "gone")
    signal = look(folder, ["p0", "p1", "p5"], joined._texts(folder))
    found = signal.columns(["red sofa"], np.zeros(3, int), np.arange(3))
    first = [rows.column("image").to_pylist().index(name) for name in ("0.png", "1.png")]
    np.testing.assert_allclose(found[:2, -1], vectors[first] @ expected.read(["red sofa"])[0], atol=2e-3)
    assert np.isnan(found[2]).all()


def test_a_model_of_another_kind_is_refused_before_anything_is_written(shop, tiny_encoder):
    recipe, _ = shop
    settings = dataclasses.replace(recipe.visual, model=str(tiny_encoder))
    with pytest.raises(InputError, match="is of the kind bert"):
        seeing.check(dataclasses.replace(recipe, visual=settings))
    seeing.check(recipe)
    seeing.check(dataclasses.replace(recipe, visual=None))
    assert pipeline.seeing is seeing
