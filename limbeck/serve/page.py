"""The search page: one template, one style sheet inside it, no script, nothing fetched from elsewhere."""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import jinja2

from limbeck.relevance import LEVEL_NAMES, LEVELS
from limbeck.serve.ranker import Ranked

_FOLDER = Path(__file__).parent
_STYLE = (_FOLDER / "page.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept",
}


@dataclass(frozen=True)
class View:
    """What a page shows: the form as it was sent, then results or what was wrong with it."""

    pins: int
    query: str = ""
    language: str = ""
    results: Sequence[Ranked] | None = None
    error: str | None = None
    remedy: str | None = None


def render(view: View, has_picture: Callable[[str], bool]) -> str:
    """The page as HTML."""

    def picture(image: str | None) -> str | None:
        return f"/images/{quote(image)}" if image and has_picture(image) else None

    return _TEMPLATE.render(view=view, picture=picture, site=site, bar=bar, names=LEVEL_NAMES, style=_STYLE)


def site(link: str | None) -> str | None:
    """The host of a link that is safe to offer; None for any other than http and https."""
    try:
        parts = urlsplit(link or "")
        return parts.hostname if parts.scheme in ("http", "https") else None
    except ValueError:
        return None


def bar(probabilities: Sequence[float]) -> list[tuple[int, float, float]]:
    """Level, beginning and width, in percent, of each part of a bar; level 5 comes first."""
    parts, begin = [], 0.0
    for level, share in reversed(list(zip(LEVELS, probabilities))):
        parts.append((level, round(begin, 2), round(100 * share, 2)))
        begin += 100 * share
    return parts


_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_FOLDER),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATE = _ENVIRONMENT.get_template("page.html")
