"""A local picture as a small data URI: decoded and written anew, so that nothing but pixels reaches the page."""

import base64
import io
import warnings
from pathlib import Path

from PIL import Image, ImageOps

EDGE = 220
LARGEST = 40_000_000  # pixels: more is a mistake or an attack


def data_uri(path: Path) -> str | None:
    """The picture, at most 220 pixels wide and high, as JPEG; None where there is none or it cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return _encode(image) if image.width * image.height <= LARGEST else None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # what Pillow raises on damaged files
        return None


def _encode(image: Image.Image) -> str:
    image.draft("RGB", (EDGE * 2, EDGE * 2))
    small = ImageOps.exif_transpose(image).convert("RGBA")
    small.thumbnail((EDGE, EDGE))
    ground = Image.new("RGBA", small.size, "white")
    ground.alpha_composite(small)
    data = io.BytesIO()
    ground.convert("RGB").save(data, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode("ascii")
