"""The desk's pages: templates, one style sheet and three short scripts, nothing fetched from elsewhere."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markupsafe import Markup

from limbeck import templates
from limbeck.rate import agreement as agreeing
from limbeck.rate import export
from limbeck.rate.desk import Desk
from limbeck.relevance import LEVEL_NAMES, LEVELS

_FOLDER = Path(__file__).parent / "pages"
_KINDS = {".js": "text/javascript", ".css": "text/css"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Static:
    """A file that pages ask for, and its media type."""

    content: bytes
    kind: str

    @property
    def version(self) -> str:
        """What its address ends with."""
        return hashlib.sha256(self.content).hexdigest()[:8]


STATIC = {p.name: Static(p.read_bytes(), _KINDS[p.suffix]) for p in sorted(_FOLDER.iterdir()) if p.suffix in _KINDS}
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")  # raw HTML stays text, unsafe links are dropped


def door() -> str:
    """Where a link leads: it trades the secret behind its `#` for a cookie."""
    return _render("door.html")


def outside(admin: bool) -> str:
    """For whoever has no link, and for an administrator who looks for the raters' page."""
    return _render("outside.html", admin=admin)


def wrong(said: str) -> str:
    """For whoever opened an address that cannot be answered."""
    return _render("wrong.html", said=said)


def desk(rater: str, key: str, guidelines: str) -> str:
    """A rater's page; under `key` the browser keeps what is not sent yet, apart from other raters'."""
    return _render("desk.html", rater=rater, key=key, guidelines=Markup(_MARKDOWN.render(guidelines)))


def admin(now: str) -> str:
    """The administrator's page."""
    return _render("admin.html", live=Markup(now))


def live(desk: Desk) -> str:
    """The part of it that changes: progress, agreement, conflicts, files."""
    return _render(
        "live.html",
        found=desk.agreement(),
        counts=desk.counts(),
        conflicts=desk.conflicts(),
        pin=desk.pin,
        picture=desk.picture,
        advised=agreeing.ADVISED,
        heat=_heat,
        files=export.FILES,
    )


def _heat(confusion: list[list[int]], row: int, column: int) -> int:
    """How strongly a cell is coloured, 0 to 5: its share of the row."""
    return round(5 * confusion[row][column] / max(sum(confusion[row]), 1))


def _address(name: str) -> str:
    return f"/static/{name}?v={STATIC[name].version}"


def _render(name: str, **values: object) -> str:
    levels = sorted(LEVELS, reverse=True)
    return _ENVIRONMENT.get_template(name).render(static=_address, names=LEVEL_NAMES, levels=levels, **values)


_ENVIRONMENT = templates.environment(_FOLDER)
