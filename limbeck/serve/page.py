"""The pages as HTML: search, a Pin and why it was found, two rankers side by side. Nothing comes from elsewhere."""

import base64
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from limbeck import templates
from limbeck.index.boards import Board
from limbeck.relevance import LEVEL_NAMES, LEVELS
from limbeck.serve.compare import Column
from limbeck.serve.ranked import Pin, Ranked, Similar
from limbeck.serve.why import Said, Told
from limbeck.signals.marks import Span

_FOLDER = Path(__file__).parent / "pages"
_STYLE = (_FOLDER / "page.css").read_text(encoding="utf-8")
_SCRIPT = (_FOLDER / "page.js").read_text(encoding="utf-8")


def _hashed(text: str) -> str:
    """A source that a policy allows by what it says."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src {_hashed(_STYLE)}; script-src {_hashed(_SCRIPT)}; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept",
}
ORIGINS = {
    "title": "the Pin’s own",
    "description": "the Pin’s own",
    "caption": "what its picture shows",
    "board_titles": "boards that people saved it on",
    "engaged_queries": "searches after which people clicked or saved it",
    "link_title": "the page that it links to",
    "link_description": "the page that it links to",
}
HasPicture = Callable[[str], bool]
SIGNALS = {
    "engagement.pin": "clicks and saves of the Pin",
    "engagement.pair": "clicks and saves for this query",
    "searchsage.query": "the query, as learnt from the search log",
    "searchsage.pin": "the Pin, as learnt from the search log",
    "searchsage": "how near query and Pin are in the search log",
    "interests.query": "the topics of the query",
    "interests.pin": "the topics of the Pin",
    "interests": "whether query and Pin share topics",
    "visual.pin": "what its picture looks like",
    "visual": "how near its picture is to the query",
    "pinsage.pin": "the boards that it is on",
    "pinsage": "how near its boards are to the query",
}


@dataclass(frozen=True)
class View:
    """What every page shows: the form as it was sent, and what was wrong with it, if anything."""

    pins: int | None = None  # that can be found, where that is known
    query: str = ""
    language: str = ""
    error: str | None = None
    remedy: str | None = None


@dataclass(frozen=True)
class SearchView(View):
    """Results, of one level alone where one is chosen; none before anything was searched for."""

    found: Sequence[Ranked] | None = None
    level: int | None = None
    degraded: str | None = None
    spelled: str | None = None
    tried: Sequence[str] = ()  # queries to begin with
    some: Sequence[Pin] = ()  # to look at before

    @property
    def results(self) -> Sequence[Ranked] | None:
        """What of the Pins found is shown."""
        return self.found and [pin for pin in self.found if self.level is None or pin.level in (None, self.level)]

    @property
    def languages(self) -> Mapping[str, int]:
        """How many of the Pins found are in each language, the most frequent first."""
        return dict(Counter(pin.language for pin in self.found or () if pin.language).most_common())

    @property
    def levels(self) -> Mapping[int, int]:
        """How many of the Pins found have each level, the highest first."""
        return dict(sorted(Counter(pin.level for pin in self.found or () if pin.level).items(), reverse=True))


@dataclass(frozen=True)
class PinView(View):
    """A Pin, what it says, and why it has its level, where a query is given; Pins like it."""

    pin: Pin | None = None
    grade: Ranked | None = None
    sources: Sequence[Said] = ()
    signals: Sequence[Told] = ()
    similar: Sequence[Similar] = ()
    boards: Sequence[Board] = ()  # the largest of those that it is on
    on: int = 0  # how many there are


@dataclass(frozen=True)
class PanelView(PinView):
    """The part of a Pin's page that opens beside the feed."""


@dataclass(frozen=True)
class BoardView(View):
    """A board, and one page of its Pins."""

    board: Board | None = None
    held: Sequence[Pin] = ()
    page: int = 1
    pages: int = 1


@dataclass(frozen=True)
class CompareView(View):
    """The first Pins of two rankers, and where those that both have stand in each."""

    names: Sequence[str] = ()
    depth: int = 0
    columns: Sequence[Column] = ()
    lines: Sequence[tuple[int, int]] = ()
    judgments: Mapping[str, float] = field(default_factory=dict)


def render(view: View, has_picture: HasPicture = lambda image: False) -> str:
    """The page as HTML."""

    def picture(image: str | None) -> str | None:
        return f"/images/{quote(image)}" if image and has_picture(image) else None

    # Compiled when the first such page is asked for: a service that only answers programs starts without.
    return _ENVIRONMENT.get_template(_TEMPLATES[type(view)]).render(view=view, picture=picture)


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


def pieces(text: str, spans: Sequence[Span]) -> list[tuple[str, bool]]:
    """A text in parts, and whether each lies within a span."""
    bounds = [0, *(bound for span in spans for bound in span), len(text)]
    return [(text[a:b], i % 2 == 1) for i, (a, b) in enumerate(pairwise(bounds)) if b > a]


def signed(effect: float) -> str:
    """By how many levels, with a sign (a true minus) where there is anything to see."""
    said = f"{effect:+.2f}"
    return "0.00" if said[1:] == "0.00" else said.replace("-", "−")


def named(pin: Pin) -> str:
    """What a Pin is called by."""
    return pin.title or pin.description or pin.pin_id


def asked(**parameters: object) -> str:
    """A query string of those parameters that say anything."""
    return urlencode({name: value for name, value in parameters.items() if value})


_ENVIRONMENT = templates.environment(_FOLDER)
_ENVIRONMENT.globals.update(
    site=site,
    bar=bar,
    pieces=pieces,
    signed=signed,
    named=named,
    asked=asked,
    path=lambda pin_id: quote(pin_id, safe=""),
    origin=lambda source: ORIGINS.get(source, ""),
    signal=lambda name: SIGNALS.get(name, name),
    names=LEVEL_NAMES,
    style=_STYLE,
    script=_SCRIPT,
)
_TEMPLATES: Mapping[type[View], str] = {
    View: "frame.html",
    SearchView: "search.html",
    PinView: "pin.html",
    PanelView: "panel.html",
    BoardView: "board.html",
    CompareView: "compare.html",
}
