"""`POST /v1/pins`: Pins are added, changed and deleted while the service runs, and are on the disk before it says so.

Requests that come in together are written with one wait for the disk, in a thread beside the model's; then the model
reads what is new, and only then they are answered: what was acknowledged is kept, and can be found.
"""

import asyncio
import contextlib
import errno
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import anyio.to_thread
import msgspec
from msgspec import Meta

from limbeck.errors import WorkspaceError
from limbeck.live import store as live_store
from limbeck.live.journal import Changes, Journal
from limbeck.live.store import LiveStore
from limbeck.records import Pin
from limbeck.serve import observed
from limbeck.serve.messages import Refused, decoded
from limbeck.serve.ranker import Ranker

MOST_PUT, MOST_DELETED = 100, 1_000  # of one request: the model reads every Pin that is put before it is answered
LOOK_SECONDS = 0.25  # how soon what another replica wrote is known here
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
EXAMPLE = 'Send {"put": [{"id": "…", "title": "…"}], "delete": ["…"]}'
PinId = Annotated[str, Meta(min_length=1, max_length=1_000)]


class LivePin(msgspec.Struct, forbid_unknown_fields=True):
    """A whole Pin, as the pins table has it: what is left out is empty. A time without a zone is UTC."""

    id: PinId
    title: str | None = None
    description: str | None = None
    image: str | None = None
    link: str | None = None
    language: str | None = None
    country: str | None = None
    created_at: datetime | None = None

    def record(self) -> Pin:
        """The Pin as a row of the table."""
        values = {name: value for name, value in msgspec.structs.asdict(self).items() if name != "id"}
        at = self.created_at
        if at is not None:
            values["created_at"] = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        return Pin(pin_id=self.id, **values)


class PinsRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Pins that are put in place of whatever had their ids, and ids that go: sent twice, it does the same as once."""

    put: Annotated[list[LivePin], Meta(max_length=MOST_PUT)] = []
    delete: Annotated[list[PinId], Meta(max_length=MOST_DELETED)] = []


class PinsAnswer(msgspec.Struct):
    """How many Pins were put and deleted: all of them are on the disk, and searches know of them."""

    model: str
    put: int
    deleted: int


def read_pins(body: bytes) -> Changes:
    """The request in a body; `Refused` says what is wrong with it."""
    request = decoded(body, PinsRequest, EXAMPLE)
    if not request.put and not request.delete:
        raise Refused(422, "neither `put` nor `delete` names a Pin", EXAMPLE)
    ids = [pin.id for pin in request.put] + request.delete
    if len(set(ids)) < len(ids):
        twice = next(pin_id for pin_id in ids if ids.count(pin_id) > 1)
        raise Refused(422, f"the Pin {twice!r} is named twice", "Name each Pin once, under `put` or under `delete`")
    try:
        return Changes(tuple(pin.record() for pin in request.put), tuple(request.delete))
    except OverflowError:
        raise Refused(422, "`created_at` is not in the years 1 to 9999 of UTC", "Send another time, or none") from None


def caught_up(ranker: Ranker, journal: Journal) -> Ranker:
    """The ranker with what was written to the journal since; itself where nothing was."""
    assert isinstance(ranker.store, LiveStore)
    store = live_store.caught_up(ranker.store, journal)
    return ranker if store is ranker.store else ranker.over(store)


class Writer:
    """Writes requests in the order in which they came, as many at once as are waiting. At most `longest` may wait."""

    def __init__(
        self,
        journal: Journal | None,
        catch_up: Callable[[], None],
        work: Callable[[Callable[[], None]], Awaitable[None]],
        longest: int,
    ) -> None:
        """`work` lets the model `catch_up` in its turn."""
        self._journal, self._catch_up, self._work, self._longest = journal, catch_up, work, longest
        self._waiting: list[tuple[Changes, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def write(self, changes: Changes) -> None:
        """Return once they are on the disk and searches know of them; `Refused` where they cannot be kept."""
        if self._journal is None:
            raise Refused(503, "this service keeps no changes", "Start it by `limbeck serve`")
        if len(self._waiting) >= self._longest:
            raise Refused(429, f"{self._longest} changes are waiting already", "Try again later", {"Retry-After": "1"})
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((changes, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all(self._journal))
        await done

    async def _write_all(self, journal: Journal) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            fault: Exception | None
            try:
                fault = await self._kept(journal, [changes for changes, _ in waiting])
            except Exception as error:  # whoever waits is told, and the next ones are written
                fault = error
            for _, done in waiting:
                if not done.done():
                    done.set_exception(fault) if fault else done.set_result(None)

    async def _kept(self, journal: Journal, requests: list[Changes]) -> Refused | None:
        """Write them and let them be known; why they could not be written, if so."""
        try:
            await anyio.to_thread.run_sync(journal.append, requests)
        except (OSError, WorkspaceError) as error:
            return _unkept(error)
        await self._work(self._catch_up)
        return None


def _unkept(error: OSError | WorkspaceError) -> Refused:
    if isinstance(error, WorkspaceError):
        return Refused(503, f"nothing was changed: {error}")
    if error.errno in FULL:
        return Refused(507, "the disk is full: nothing was changed", "Make room, and send it again")
    remedy = "Let the service write to the folder `live` of its workspace, and send it again"
    return Refused(503, f"changes cannot be written ({error.strerror}): nothing was changed", remedy)


@contextlib.contextmanager
def followed(catch_up: Callable[[], None]) -> Iterator[None]:
    """What other replicas write to the same journal is known meanwhile, soon after."""
    stopped = threading.Event()

    def following() -> None:
        said = ""
        while not stopped.wait(LOOK_SECONDS):
            reason = _failure(catch_up)
            if reason and reason != said:
                observed.log.info(json.dumps({"journal": "unread", "reason": reason}))
            said = reason

    thread = threading.Thread(target=following, name="journal", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _failure(call: Callable[[], Any]) -> str:
    try:
        call()
    except (WorkspaceError, OSError) as error:
        return str(error)
    return ""
