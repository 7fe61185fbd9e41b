"""Makes small RGB pictures of bytes from anywhere, in a process that may do little else. Run as a script by decode.py.

Standard input and output are one socket. A question is a length and that many bytes; an answer is a code, width and
height, and for code 0 the pixels, three bytes each. Pillow alone is imported: the limit of memory can be low.
"""

import io
import math
import resource
import signal
import struct
import sys
import warnings
from typing import BinaryIO

from PIL import Image, WebPImagePlugin  # noqa: F401  loads what opens WebP before files can no longer be opened

QUESTION, ANSWER = struct.Struct("!I"), struct.Struct("!BHH")
REASONS = ("broken", "not JPEG, PNG or WebP", "too many pixels", "too small", "out of memory")
BROKEN, OTHER_FORMAT, TOO_MANY_PIXELS, TOO_SMALL, OUT_OF_MEMORY = range(1, len(REASONS) + 1)
FORMATS = ("JPEG", "PNG", "WEBP")
MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF")
SMALLEST = 16  # pixels: the shorter side of what can show anything
ORIENTATION = 0x0112
TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def limit(memory: int, pixels: int) -> None:
    """No more memory than that, no file written, no other process begun, no core left behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, whose end is ours
    Image.preinit()
    Image.MAX_IMAGE_PIXELS = pixels
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 32),
    ):
        resource.setrlimit(what, (most, most))


def decode(data: bytes, edge: int) -> tuple[int, Image.Image | None]:
    """0 and the picture, its longer side at most `edge` pixels; or the code of a reason."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return shrink(image, edge) if min(image.size) >= SMALLEST else (TOO_SMALL, None)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return TOO_MANY_PIXELS, None
    except MemoryError:
        return OUT_OF_MEMORY, None
    except Image.UnidentifiedImageError:
        return BROKEN if data.startswith(MAGIC) else OTHER_FORMAT, None
    except Exception:  # damaged files make Pillow raise whatever its parsers stumble over
        return BROKEN, None


def shrink(image: Image.Image, edge: int) -> tuple[int, Image.Image | None]:
    """The first frame as 8-bit RGB on white, upright."""
    image.draft("RGB", (2 * edge, 2 * edge))  # a JPEG is decoded no larger than needed
    image.load()
    turn = TURNED.get(_orientation(image))
    small = _plain(image)
    small.thumbnail((edge, edge))
    if small.mode == "RGBA":
        ground = Image.new("RGBA", small.size, "white")
        ground.alpha_composite(small)
        small = ground.convert("RGB")
    if min(small.size) < SMALLEST:  # a line, however long
        return TOO_SMALL, None
    return 0, small if turn is None else small.transpose(turn)


def _plain(image: Image.Image) -> Image.Image:
    """RGB, or RGBA where something shines through; palettes, grey, CMYK and 16 bits are no more."""
    if image.mode.startswith("I"):
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    seen_through = "A" in image.getbands() or "transparency" in image.info
    return image.convert("RGBA" if seen_through else "RGB")


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # damaged EXIF is no reason to lose a picture
        return 1


def serve(questions: BinaryIO, answers: BinaryIO, edge: int, seconds: float) -> None:
    """Answer until nobody asks any more; each question has its own share of the processor's time."""
    answers.write(ANSWER.pack(0, 0, 0))  # ready
    answers.flush()
    while head := questions.read(QUESTION.size):
        data = questions.read(QUESTION.unpack(head)[0])
        used = resource.getrusage(resource.RUSAGE_SELF)
        most = math.ceil(used.ru_utime + used.ru_stime + seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))
        code, picture = decode(data, edge)
        answers.write(ANSWER.pack(code, *(picture.size if picture else (0, 0))))
        answers.write(picture.tobytes() if picture else b"")
        answers.flush()


if __name__ == "__main__":
    memory, pixels, edge = map(int, sys.argv[1:4])
    limit(memory, pixels)
    with open(0, "rb") as questions, open(1, "wb", closefd=False) as answers:
        serve(questions, answers, edge, float(sys.argv[4]))
