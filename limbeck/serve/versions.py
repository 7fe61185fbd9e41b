"""The version that answers, and how a newer one takes its place while requests come in.

A newer student or index is opened beside the old one, every byte of it compared with its manifest, and tried on a
query. Only then it takes over, in one assignment: a request asks once which version answers it, so that no answer mixes
two. One that is damaged or does not fit together is refused, with the reason, and the old one stays. The version of the
start is opened at once, whatever its size, and its bytes are compared while it answers: where one is damaged, the
service says that it is not ready.
"""

import contextlib
import threading
from collections.abc import Callable
from typing import Protocol

import numpy as np

from limbeck.errors import InputError, WorkspaceError
from limbeck.index import boards, understanding
from limbeck.index.store import MADE_OF
from limbeck.serve import written
from limbeck.serve.ranker import Ranker
from limbeck.signals.joined import OPTIONAL
from limbeck.workspace import Workspace

PARTS = (*MADE_OF, *OPTIONAL, understanding.NAME, boards.NAME)
TRIAL = "warm up"  # any query and title: it compiles what is compiled late, and reads the memory maps
Version = tuple[str, ...]


class Current(Protocol):
    """What answers now, and why a newer version was refused, if one was."""

    ranker: Ranker
    refused: str | None
    damaged: str | None  # what is wrong with the version that answers, once it was looked at

    def catch_up(self) -> None:
        """Let it know all that was written until now."""
        ...


class Versions:
    """The ranker of the newest good version in a workspace."""

    def __init__(
        self,
        ws: Workspace,
        open_: Callable[[Workspace], Ranker],
        caught_up: Callable[[Ranker], Ranker] = lambda ranker: ranker,
    ) -> None:
        """Open the present version; `InputError` or `WorkspaceError` where there is none that can serve.

        `caught_up` gives a version what was written since it was opened; itself where nothing was.
        """
        self._ws, self._open, self._caught_up = ws, open_, caught_up
        self._lock = threading.Lock()  # held by whoever puts another ranker in place
        self._seen = self._present()
        self.ranker = self._tried()
        self.refused: str | None = None
        self.damaged: str | None = None

    def look(self) -> str | None:
        """Take over what is new: "taken", "refused" (`self.refused` says why), or None where nothing is new.

        What was refused is not tried again until the workspace changes once more.
        """
        present = self._present()
        if present == self._seen:
            return None
        try:
            verify(self._ws)
            ranker = self._tried()
        except Exception as error:  # a damaged file makes anything of its reader, and the old version still serves
            self._seen, self.refused = present, str(error) or type(error).__name__
            return "refused"
        if self._present() != present:  # a run wrote on meanwhile: look again at what it leaves
            return None
        ranker = self._caught_up(ranker)  # most of it, while others may still write
        with self._lock:
            self._seen, self.refused, self.damaged, self.ranker = present, None, None, self._caught_up(ranker)
        return "taken"

    def check(self) -> str | None:
        """Compare every byte of the version of the start: "damaged" (`self.damaged` says what is), or None."""
        try:
            verify(self._ws)
        except (InputError, WorkspaceError, OSError) as error:
            if self._present() == self._seen:  # else a run writes on, and `look` sees to what it leaves
                self.damaged = str(error)
                return "damaged"
        return None

    def catch_up(self) -> None:
        """Let the version that answers know all that was written until now."""
        with self._lock:
            self.ranker = self._caught_up(self.ranker)

    def watch(self, seconds: float, heard: Callable[[str, str], None]) -> Callable[[], None]:
        """Check, then look every so many seconds (0: never), in a thread of its own; `heard` is told of each outcome.

        Returns how to stop.
        """
        stopped = threading.Event()

        def told(outcome: str | None) -> None:
            if outcome:
                reasons = {"damaged": self.damaged, "refused": self.refused}
                heard(outcome, reasons.get(outcome) or self.ranker.model)

        def watching() -> None:
            told(self.check())
            while seconds and not stopped.wait(seconds):
                with contextlib.suppress(OSError):
                    told(self.look())

        threading.Thread(target=watching, name="versions", daemon=True).start()
        return stopped.set

    def _present(self) -> Version:
        """What the workspace holds now, by the digests of its content and of what that was made from.

        A part that was made anew may be the same as before, and yet only now go with the others.
        """
        with contextlib.suppress(InputError, WorkspaceError):  # what cannot be read is refused when it is opened
            there = [(name, self._ws.manifest(name)) for name in PARTS if self._ws.has(name)]
            return tuple(part for name, of in there for part in (name, of.digest, of.made.digest))
        return ()

    def _tried(self) -> Ranker:
        """The present version opened, after it answered with distributions."""
        ranker = self._open(self._ws)
        # The document is read by the student; the vector of the query may come from a cache.
        found, [document] = ranker.find(TRIAL, 10, 50), ranker.rerank_documents(TRIAL, [{"title": TRIAL}])
        pins = ranker.answered(found)
        said = np.asarray([document.probabilities, *(pin.probabilities for pin in pins)])
        if not (np.isfinite(said).all() and np.allclose(said.sum(axis=1), 1, atol=1e-3)):
            raise WorkspaceError("the student answers with what are no probabilities. Train it anew")
        written.results(ranker.grade(TRIAL, [pin.pin_id for pin in pins]))
        if found.probabilities is not None:
            written.pins(ranker.store.told(found.rows), found.probabilities)
        return ranker


def verify(ws: Workspace) -> None:
    """Compare every byte of all that a version is made of with its manifest; `WorkspaceError` where one is damaged."""
    for name in filter(ws.has, PARTS):  # what has to be there is asked for when it is opened
        ws.verify(name)
