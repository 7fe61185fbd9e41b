"""One open desk: the queue, what raters see of it, and where each of them stands. It knows no HTTP."""

import threading
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from limbeck.rate.agreement import Agreement, Conflict, agreement, conflicts
from limbeck.rate.store import ADMIN, Event, Pair, Store
from limbeck.rate.turns import deal, progress
from limbeck.serve import pictures

AHEAD = 200  # pairs that a browser is given at once: a minute without a connection, and more
PAST = 30  # answered pairs that it may go back to
Pins = Mapping[str, Mapping[str, str | None]]


class Desk:
    """The store of a desk, with everything that does not change while it is open."""

    def __init__(self, store: Store, pins: Pins, images: Path, each: int, seed: int) -> None:
        self._store, self._pins, self._images = store, pins, images
        self._pairs = {pair.pair: pair for pair in store.pairs()}
        self.raters = [person for person in store.secrets() if person != ADMIN]
        answers = store.answers()
        self._turn = threading.Lock()  # what is kept and what is known of it change together
        self._progress = progress(deal(list(self._pairs.values()), self.raters, each, seed, answers), answers)

    def next(self, rater: str, holding: Collection[str], past: bool) -> dict[str, Any]:
        """The pairs that come next, and how far the rater is; with `past`, also those that were answered last."""
        mine = self._progress[rater]
        with self._turn:
            done, everything = mine.counts()
            ahead, back = mine.ahead(holding, AHEAD), mine.past(PAST) if past else []
        shown = {name: [self._shown(pair) for pair in pairs] for name, pairs in (("ahead", ahead), ("past", back))}
        return {**shown, "done": done, "all": everything}

    def keep(self, person: str, events: Sequence[Event]) -> dict[str, list[str]]:
        """Keep what somebody did. `kept` events are on the disk; `refused` ones are about pairs that are not here."""
        known = [event for event in events if event.pair in self._pairs]
        with self._turn:
            new = self._store.append(person, known, datetime.now(UTC))
            if person in self._progress:
                self._progress[person].apply(new)
        refused = [event.id for event in events if event.pair not in self._pairs]
        return {"kept": [event.id for event in known], "refused": refused}

    def picture(self, pair: str) -> Path | None:
        """The picture of a pair's Pin, where there is one."""
        image = self._pins.get(self._pairs[pair].pin_id, {}).get("image") if pair in self._pairs else None
        return pictures.find(self._images, image) if image else None

    def agreement(self) -> Agreement:
        """How far the raters agree now."""
        return agreement(self._pairs.values(), self._store.answers(), self.raters)

    def conflicts(self) -> list[Conflict]:
        """What raters are at odds about."""
        return conflicts(self._pairs.values(), self._store.answers())

    def counts(self) -> dict[str, tuple[int, int]]:
        """By rater: pairs answered, and pairs in all."""
        return {rater: mine.counts() for rater, mine in self._progress.items()}

    def pin(self, pair: Pair) -> Mapping[str, str | None]:
        """What the Pin of a pair says."""
        return self._pins.get(pair.pin_id, {})

    def _shown(self, name: str) -> dict[str, Any]:
        """A pair as a rater sees it: no level, nobody's answer, and nothing of why it is asked."""
        pair = self._pairs[name]
        pin = self.pin(pair)
        return {
            "pair": name,
            "query": pair.query,
            "queryLanguage": pair.language,
            "title": pin.get("title") or pin.get("description"),
            "description": pin.get("description") if pin.get("title") else None,
            "language": pin.get("language"),
            "picture": f"/pictures/{name}" if self.picture(name) else None,
        }
