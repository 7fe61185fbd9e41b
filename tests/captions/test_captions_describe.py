"""Shards of pictures: read, decoded, captioned once each, whatever becomes of the run."""

import hashlib
import io
import itertools
import threading

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures_server import png, serving
from PIL import Image

from limbeck.captions.describe import Describer
from limbeck.captions.fetch import Fetcher
from limbeck.captions.loading import ahead
from limbeck.captions.reading import Reader, is_url, locate, state
from limbeck.captions.skipped import SkippedError
from limbeck.records import conform, empty
from limbeck.settings import Captions

FEW = Captions(batch_size=3, pictures_per_shard=4, edge=64)


class Colours:
    """A captioner that names the colour of the first pixel, and remembers every picture it was shown."""

    def __init__(self):
        self.shown = []
        self.batches = []

    def caption(self, pictures):
        self.batches.append(len(pictures))
        colours = ["{:02x}{:02x}{:02x}".format(*picture.getpixel((0, 0))) for picture in pictures]
        self.shown += colours
        return ["" if colour == "000000" else f"it is {colour}" for colour in colours]


def picture(colour, size=(32, 32), kind="PNG"):
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, kind)
    return data.getvalue()


def colour(number):
    return (number % 256, number // 256, 200)


def write(folder, **pictures):
    for name, data in pictures.items():
        (folder / f"{name}.png").write_bytes(data)
    return sorted(f"{name}.png" for name in pictures)


def describe(folder, images, model, known=None, fetcher=None, of=FEW, name="model@1"):
    """All shards as one table; each is what the `pictures` table wants."""
    reader = Reader(folder, of.max_bytes, fetcher)
    loaded = []
    made = Describer(of, reader, (name, lambda: loaded.append(1) or model), known or empty("pictures")).shards(images)
    shards = [conform(make(), "pictures") for make in made.values()]
    assert len(loaded) <= 1
    return pa.concat_tables([empty("pictures"), *shards])


def rows(table):
    return {row["image"]: row for row in table.to_pylist()}


def test_each_picture_is_described_in_full_batches(tmp_path):
    images = write(tmp_path, **{f"{n:02d}": picture(colour(n)) for n in range(10)})
    model = Colours()
    table = describe(tmp_path, images, model)
    assert table.column("image").to_pylist() == images
    assert table.column("caption").to_pylist() == ["it is {:02x}{:02x}{:02x}".format(*colour(n)) for n in range(10)]
    assert model.batches == [3, 1, 3, 1, 2]
    digests = [hashlib.sha256(picture(colour(n))).hexdigest()[:32] for n in range(10)]
    assert table.column("image_digest").to_pylist() == digests
    assert set(table.column("captioner").to_pylist()) == {"model@1"}
    assert table.column("skipped").null_count == 10


def test_the_same_bytes_under_several_names_are_described_once(tmp_path):
    images = write(tmp_path, **{name: picture("red") for name in "abcdefg"})
    model = Colours()
    table = describe(tmp_path, images, model)
    assert len(model.shown) == 1
    assert set(table.column("caption").to_pylist()) == {"it is ff0000"}


def test_the_model_is_not_loaded_where_nothing_needs_it(tmp_path):
    images = write(tmp_path, a=b"broken", b=b"")
    table = describe(tmp_path, images, None)
    assert table.column("skipped").to_pylist() == ["not JPEG, PNG or WebP", "empty"]


def test_what_cannot_be_had_is_counted_and_the_others_go_on(tmp_path, monkeypatch):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (tmp_path / "secret.png").write_bytes(picture("red"))
    images = write(
        folder, a=picture("red"), b=picture("blue")[:60], c=b"<svg/>", d=picture((0, 0, 0)), e=picture("blue")
    )
    (folder / "out.png").symlink_to(tmp_path / "secret.png")
    (folder / "in.png").symlink_to(folder / "a.png")
    (folder / "folder.png").mkdir()
    (folder / "large.png").write_bytes(picture("red") + bytes(5_000))
    odd = [
        "../secret.png",
        str(tmp_path / "secret.png"),
        "out.png",
        "folder.png",
        "nowhere.png",
        "nul\0.png",
        "/dev/zero",
    ]
    web = ["http://pictures.example/red.png", "file:///etc/passwd", "data:image/png;base64,AA"]
    of = Captions(**{**vars(FEW), "max_bytes": 5_000})
    found = rows(describe(folder, sorted([*images, *odd, *web, "in.png", "large.png"]), Colours(), of=of))
    assert {image: row["skipped"] for image, row in found.items()} == {
        "a.png": None,
        "b.png": "broken",
        "c.png": "not JPEG, PNG or WebP",
        "d.png": "nothing said",
        "e.png": None,
        "in.png": None,
        "../secret.png": "outside the folder",
        str(tmp_path / "secret.png"): "outside the folder",
        "/dev/zero": "outside the folder",
        "out.png": "outside the folder",
        "folder.png": "no such file",
        "nowhere.png": "no such file",
        "nul\0.png": "no such file",
        "large.png": "too many bytes",
        **dict.fromkeys(web, "a URL, and fetching is off"),
    }
    assert all((row["caption"] is None) == (row["skipped"] is not None) for row in found.values())


def test_an_absolute_path_inside_the_folder_is_as_good_as_a_relative_one(tmp_path):
    write(tmp_path, a=picture("red"))
    assert locate(str(tmp_path / "a.png"), tmp_path) == locate("a.png", tmp_path)
    with pytest.raises(SkippedError, match="outside"):
        locate("../" + tmp_path.name + "-other/a.png", tmp_path)


@pytest.mark.parametrize(
    "image", ["http://a/b.png", "HTTPS://a/b", " http://a", "ftp://a", "file:///a", "data:image/png,"]
)
def test_what_a_url_is(image, tmp_path):
    assert is_url(image)
    assert state(image, tmp_path) == ""


@pytest.mark.parametrize("image", ["a.png", "a/b.png", "c:a.png", "/a//b.png", "http/a.png", "a b://c.png"])
def test_what_a_path_is(image):
    assert not is_url(image)


def test_only_pictures_whose_bytes_changed_are_described_again(tmp_path):
    images = write(tmp_path, **{f"{n}": picture(colour(n)) for n in range(9)})
    model = Colours()
    first = describe(tmp_path, images, model)
    write(tmp_path, **{"4": picture("red"), "new": picture("blue")})
    (tmp_path / "8.png").unlink()
    again = Colours()
    second = rows(describe(tmp_path, sorted([*images, "new.png"]), again, first))
    assert sorted(again.shown) == ["0000ff", "ff0000"]
    assert second["4.png"]["caption"] == "it is ff0000"
    assert second["8.png"]["skipped"] == "no such file"
    unchanged = [image for image in images if image not in ("4.png", "8.png")]
    assert all(second[image] == rows(first)[image] for image in unchanged)


def test_a_picture_that_moved_keeps_its_caption(tmp_path):
    images = write(tmp_path, a=picture("red"))
    first = describe(tmp_path, images, Colours())
    (tmp_path / "a.png").rename(tmp_path / "b.png")
    again = Colours()
    assert rows(describe(tmp_path, ["b.png"], again, first))["b.png"]["caption"] == "it is ff0000"
    assert again.shown == []


def test_another_captioner_describes_everything_anew(tmp_path):
    images = write(tmp_path, a=picture("red"), b=picture("blue"))
    first = describe(tmp_path, images, Colours())
    again = Colours()
    describe(tmp_path, images, again, first, name="model@2")
    assert len(again.shown) == 2


def test_what_was_skipped_is_tried_again(tmp_path):
    first = describe(tmp_path, ["a.png"], Colours())
    write(tmp_path, a=picture("red"))
    assert rows(describe(tmp_path, ["a.png"], Colours(), first))["a.png"]["skipped"] is None


def fetching(world):
    return Fetcher(20.0, 100_000, world.resolve, world.dial, pauses=())


def test_pictures_from_the_web_are_fetched_once_until_the_recipe_says_again(tmp_path):
    with serving() as world:
        images = [f"http://pictures.example/{name}" for name in ("gzipped", "missing", "page", "red.png", "untyped")]
        model = Colours()
        first = describe(tmp_path, images, model, fetcher=fetching(world))
        assert len(model.shown) == 1, "five URLs, three answers of the same bytes"
        assert first.column("skipped").to_pylist() == [None, "HTTP 404", "not a picture", None, None]
        assert first.column("image_digest").to_pylist()[0] == hashlib.sha256(png()).hexdigest()[:32]
        assert len(world.server.seen) == 5
        again = Colours()
        second = describe(tmp_path, images, again, first, fetching(world))
        assert again.shown == []
        assert sorted(world.paths[5:]) == ["/missing", "/page"], "only what failed is asked for again"
        assert second.equals(first)
        of = Captions(**{**vars(FEW), "refetch": "2026-12"})
        third = describe(tmp_path, images, again, second, fetching(world), of)
        assert len(world.server.seen) == 12
        assert again.shown == [], "the bytes are what they were"
        assert third.column("refetch").to_pylist() == ["2026-12"] * 5
        off = describe(tmp_path, images, again, third, None, of)
        assert off.column("caption").to_pylist() == third.column("caption").to_pylist()
        assert len(world.server.seen) == 12


@settings(max_examples=8)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=12), st.integers(1, 5), st.integers(1, 5))
def test_however_it_is_cut_every_digest_is_described_exactly_once(tmp_path_factory, changes, shard, batch):
    """Pictures are written and overwritten between runs; each run knows what those before it left."""
    folder = tmp_path_factory.mktemp("changing")
    of = Captions(**{**vars(FEW), "pictures_per_shard": shard, "batch_size": batch})
    known, model, seen = empty("pictures"), Colours(), set()
    for _, some in itertools.groupby(enumerate(changes), lambda pair: pair[0] // 4):
        for _, (name, shade) in some:
            write(folder, **{str(name): picture((shade, 1, 1))})
        images = sorted(path.name for path in folder.iterdir())
        found = describe(folder, images, model, known, of=of)
        now = {image: (folder / image).read_bytes() for image in images}
        seen |= set(now.values())
        for image, row in rows(found).items():
            shade = Image.open(io.BytesIO(now[image])).getpixel((0, 0))[0]
            assert row["caption"] == f"it is {shade:02x}0101"
        known = pa.concat_tables([known, found])
        assert len(model.shown) == len(set(model.shown)) == len(seen)


def test_work_ahead_keeps_the_order_and_its_bound():
    begun, most, lock = [], [], threading.Lock()

    def work(item):
        with lock:
            begun.append(item)
        return item

    for taken, item in enumerate(ahead(work, range(50), 7)):
        assert item == taken
        most.append(len(begun) - taken)
    assert max(most) <= 8
    assert sorted(begun) == list(range(50))


def test_an_error_that_is_nobodys_picture_ends_the_run(tmp_path):
    class Ill:
        def caption(self, pictures):
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        describe(tmp_path, write(tmp_path, a=picture("red")), Ill())
