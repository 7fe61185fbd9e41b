"""Pictures of every kind, sound and damaged, through the decoding process; and the process itself, killed and hung."""

import io
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from limbeck.captions import worker
from limbeck.captions.decode import Decoder, Limits, decoding
from limbeck.captions.skipped import SkippedError

EDGE = 64
LIMITS = Limits(memory=1 << 30, seconds=30, pixels=4_000_000, edge=EDGE)
RED, BLUE = (220, 30, 30), (30, 30, 220)


@pytest.fixture(scope="module")
def decoder():
    with decoding(LIMITS, 1) as one:
        yield one


def halves(size=(120, 80), left=RED, right=BLUE, mode="RGB"):
    """Left half one colour, right half another: what is turned or repainted shows."""
    image = Image.new("RGB", size, left)
    image.paste(right, (size[0] // 2, 0, *size))
    return image.convert(mode)


def saved(image, kind, **options):
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def near(found, wanted, tolerance=25):
    return all(abs(f - w) <= tolerance for f, w in zip(found, wanted, strict=True))


def reason(decoder, data):
    with pytest.raises(SkippedError) as skipped:
        decoder.decode(data)
    return skipped.value.reason


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_of(width, height, pixels):
    """A PNG whose header says what it likes."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(pixels, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


SOUND = {
    "jpeg": saved(halves(), "JPEG", quality=95),
    "jpeg progressive": saved(halves(), "JPEG", quality=95, progressive=True),
    "jpeg cmyk": saved(halves(mode="CMYK"), "JPEG", quality=95),
    "jpeg several pictures": saved(
        halves(), "MPO", quality=95, save_all=True, append_images=[Image.new("RGB", (120, 80))]
    ),
    "png": saved(halves(), "PNG"),
    "png palette": saved(halves().quantize(4), "PNG"),
    "png with alpha": saved(halves(mode="RGBA"), "PNG"),
    "png of unknown name": saved(halves(), "PNG"),
    "webp": saved(halves(), "WEBP", quality=95),
    "webp lossless": saved(halves(), "WEBP", lossless=True),
    "webp animated": saved(halves(), "WEBP", save_all=True, append_images=[Image.new("RGB", (120, 80))], quality=95),
    "apng": saved(halves(), "PNG", save_all=True, append_images=[Image.new("RGB", (120, 80))]),
    "large jpeg": saved(halves((1600, 1200)), "JPEG"),
}


@pytest.mark.parametrize("kind", SOUND)
def test_every_kind_becomes_small_upright_rgb_its_first_frame(decoder, kind):
    image = decoder.decode(SOUND[kind])
    assert image.mode == "RGB"
    assert max(image.size) == EDGE
    assert near(image.getpixel((4, image.height // 2)), RED)
    assert near(image.getpixel((image.width - 5, image.height // 2)), BLUE)


def test_small_pictures_are_not_blown_up(decoder):
    assert decoder.decode(saved(halves((40, 20)), "PNG")).size == (40, 20)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_what_exif_says_is_turned_is_turned(decoder, orientation, kind):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[worker.ORIENTATION] = orientation
    marked = halves((48, 32))
    marked.paste("white", (0, 0, 24, 16))  # a corner of its own: eight orientations, eight pictures
    data = saved(marked, kind, exif=exif, **({} if kind == "PNG" else {"quality": 100}))
    found = np.asarray(decoder.decode(data), np.int16)
    wanted = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"), np.int16)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).mean() < 5


def test_damaged_exif_is_no_reason_to_lose_a_picture(decoder):
    data = saved(halves(), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff" + bytes(20))
    assert decoder.decode(data).size == (64, 43)


def test_sixteen_bits_are_scaled_not_cut(decoder):
    ramp = np.linspace(0, 65_535, 64 * 32).reshape(32, 64).astype(np.uint16)
    found = np.asarray(decoder.decode(saved(Image.fromarray(ramp), "PNG")))
    assert np.abs(found[..., 0].astype(float) - ramp / 257).max() <= 1.5


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
def test_grey_pictures(decoder, mode):
    image = decoder.decode(saved(Image.new("L", (40, 40), 255).convert(mode), "PNG"))
    assert image.getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_seen_through_shows_white(decoder, mode):
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    image.paste((220, 220, 220, 255), (0, 0, 20, 40))
    kept = image.quantize(8) if mode == "P" else image.convert(mode)
    found = decoder.decode(saved(kept, "PNG"))
    assert near(found.getpixel((5, 20)), (220, 220, 220), 3)
    assert near(found.getpixel((35, 20)), (255, 255, 255), 3)


DAMAGED = {
    "nothing but a magic number": (b"\xff\xd8\xff\xe0", "broken"),
    "half a jpeg": (SOUND["jpeg"][: len(SOUND["jpeg"]) // 2], "broken"),
    "half a png": (SOUND["png"][: len(SOUND["png"]) // 2], "broken"),
    "half a webp": (SOUND["webp"][: len(SOUND["webp"]) // 2], "broken"),
    "png with too little in it": (png_of(100, 100, bytes(50)), "broken"),
    "png whose chunk lies": (SOUND["png"][:40] + b"\0\0\0\0" + SOUND["png"][44:], "broken"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', "not JPEG, PNG or WebP"),
    "html": (b"<!DOCTYPE html><title>404</title>", "not JPEG, PNG or WebP"),
    "gif": (saved(halves(), "GIF"), "not JPEG, PNG or WebP"),
    "animated gif": (saved(halves(), "GIF", save_all=True, append_images=[halves()]), "not JPEG, PNG or WebP"),
    "tiff": (saved(halves(), "TIFF"), "not JPEG, PNG or WebP"),
    "bmp": (saved(halves(), "BMP"), "not JPEG, PNG or WebP"),
    "pdf": (saved(halves(), "PDF"), "not JPEG, PNG or WebP"),
    "eps that would start a program": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not JPEG, PNG or WebP"),
    "noise": (random.Random(1).randbytes(5_000), "not JPEG, PNG or WebP"),
    "one pixel": (saved(Image.new("RGB", (1, 1)), "PNG"), "too small"),
    "a line": (saved(Image.new("RGB", (1600, 20)), "PNG"), "too small"),
    "a bomb of few bytes": (png_of(60_000, 60_000, bytes(1_000)), "too many pixels"),
    "just over the limit": (saved(Image.new("1", (2_001, 2_000)), "PNG"), "too many pixels"),
    "a text chunk that unpacks to much": (
        SOUND["png"][:33] + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(80_000_000))) + SOUND["png"][33:],
        "broken",
    ),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_what_cannot_be_shown_is_skipped_for_a_reason(decoder, kind):
    data, wanted = DAMAGED[kind]
    assert reason(decoder, data) == wanted
    assert decoder.decode(SOUND["png"]).size == (64, 43), "the process goes on"


def test_just_within_the_limit_is_shown(decoder):
    assert decoder.decode(saved(Image.new("1", (2_000, 2_000)), "PNG")).size == (EDGE, EDGE)


def test_flipped_bytes_never_stop_it(decoder):
    chance = random.Random(7)
    ends = set()
    for kind in ("jpeg", "png", "webp", "webp animated", "jpeg several pictures"):
        for _ in range(30):
            data = bytearray(SOUND[kind])
            for _ in range(chance.randrange(1, 6)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            try:
                ends.add(decoder.decode(bytes(data)).mode)
            except SkippedError as skipped:
                ends.add(skipped.reason)
    assert ends <= {"RGB", *worker.REASONS}
    assert {"RGB", "broken"} <= ends


def test_memory_is_limited():
    with decoding(Limits(memory=200_000_000, seconds=30, pixels=400_000_000, edge=EDGE), 1) as tight:
        assert reason(tight, png_of(19_000, 19_000, bytes(1_000))) == "out of memory"
        assert tight.decode(SOUND["png"]).size == (64, 43)


def process_of(decoder: Decoder) -> subprocess.Popen:
    return decoder._all[0]._process


def test_a_killed_process_is_replaced(decoder):
    decoder.decode(SOUND["png"])
    process = process_of(decoder)
    process.kill()
    process.wait()
    assert decoder.decode(SOUND["png"]).size == (64, 43)
    assert process_of(decoder).pid != process.pid


def test_a_process_that_dies_over_a_picture_costs_that_picture(decoder):
    decoder.decode(SOUND["png"])
    process = process_of(decoder)
    process.send_signal(signal.SIGSTOP)  # so that it is at the picture when it dies
    threading.Timer(0.5, process.kill).start()
    assert reason(decoder, SOUND["png"]) == "decoder crashed"
    assert decoder.decode(SOUND["png"]).size == (64, 43)


def test_a_process_that_hangs_is_ended_after_its_time():
    with decoding(Limits(LIMITS.memory, 1.0, LIMITS.pixels, EDGE), 1) as hurried:
        hurried.decode(SOUND["png"])
        process = process_of(hurried)
        process.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        assert reason(hurried, SOUND["large jpeg"] + bytes(5_000_000)) == "decoder too slow"
        assert time.monotonic() - begun < 10
        assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    "answer",
    [
        worker.ANSWER.pack(0, 60_000, 60_000),
        worker.ANSWER.pack(0, 1, 1) + bytes(3),
        worker.ANSWER.pack(0, EDGE + 1, EDGE) + bytes(3 * EDGE * (EDGE + 1)),
        worker.ANSWER.pack(200, 0, 0),
    ],
)
def test_a_process_that_lies_is_not_believed(decoder, answer):
    decoder.decode(SOUND["png"])
    mine, (ours, theirs) = decoder._all[0], socket.socketpair()
    mine._line.close()
    mine._line = ours
    theirs.sendall(answer)
    assert reason(decoder, SOUND["png"]) == "decoder crashed"
    theirs.close()
    assert decoder.decode(SOUND["png"]).size == (64, 43)


def test_it_sees_nothing_of_ours_and_writes_nothing(decoder):
    decoder.decode(SOUND["png"])
    folder = f"/proc/{process_of(decoder).pid}"
    with open(f"{folder}/environ", "rb") as environment:
        assert b"HOME=" not in environment.read()
    with open(f"{folder}/limits", encoding="utf-8") as limits:
        rows = {line[:26].strip(): line[26:].split()[:2] for line in limits}
    assert rows["Max address space"] == [str(LIMITS.memory)] * 2
    assert rows["Max file size"] == rows["Max core file size"] == rows["Max processes"] == ["0", "0"]
    assert int(rows["Max cpu time"][0]) < 120
    held = {os.readlink(f"{folder}/fd/{n}").split(":")[0] for n in os.listdir(f"{folder}/fd")}
    assert held <= {"socket", "/dev/null"}


def test_processes_end_with_the_block():
    with decoding(LIMITS, 2) as two:
        threads = [threading.Thread(target=two.decode, args=(SOUND["large jpeg"],)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        pids = [each._process.pid for each in two._all if each._process]
    assert pids
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)


def test_no_process_at_all_is_said_aloud(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with decoding(LIMITS, 1) as none, pytest.raises(RuntimeError, match="no decoding process could be started"):
        none.decode(SOUND["png"])
