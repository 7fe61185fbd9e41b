"""The service as processes: everything that it answers from opened, newer versions looked for, and told to stop."""

import contextlib
import dataclasses
import functools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from starlette.types import ASGIApp

from limbeck import listening, progress
from limbeck.errors import InputError
from limbeck.index.store import Store
from limbeck.live import store as live_store
from limbeck.live.journal import Journal
from limbeck.serve import engines, gathered, lean, observed, pins, workers
from limbeck.serve.app import Kept, create
from limbeck.serve.cache import Caches, Memories, Shared
from limbeck.serve.compare import MEANT, Judgments
from limbeck.serve.feature_log import FeatureLog
from limbeck.serve.metrics import Metrics
from limbeck.serve.others import Others
from limbeck.serve.ranker import Ranker
from limbeck.serve.versions import Versions, verify
from limbeck.serve.workers import Worker
from limbeck.settings import Serve, Text
from limbeck.workspace import Workspace

PICTURES = "images/pins"


def run(ws: Workspace, settings: Serve, text: Text | None = None, beside: Sequence[Workspace] = ()) -> None:
    """Load the index and serve it until SIGTERM or Ctrl-C; requests under way are answered first.

    The rankers of the workspaces `beside` it are there for people who compare.
    """
    _check(settings)
    lean.start()
    if settings.workers == 1:
        _load(ws, settings, text, beside, functools.partial(_alone, settings))
        return
    with listening.reserve(settings.host, settings.port, "serve") as kept:
        load = functools.partial(_load, ws, settings, text, beside)
        said = functools.partial(_say_ready, listening.address(settings.host, kept))
        found = dataclasses.replace(settings, port=kept.getsockname()[1])
        work = lambda worker: load(functools.partial(_among, found, worker), worker)  # noqa: E731
        workers.together(settings.workers, work, said, settings.affinity)


def _check(settings: Serve) -> None:
    """`InputError` for what cannot be, before anything is loaded."""
    observed.key(settings)
    if settings.workers < 1:
        raise InputError(f"serve.workers is {settings.workers}", remedy="At least one has to answer")
    if not settings.busy_poll_seconds >= 0:
        raise InputError(f"serve.busy_poll_seconds is {settings.busy_poll_seconds}", remedy="0 lets workers sleep")
    if settings.affinity and not hasattr(os, "sched_setaffinity"):
        raise InputError("serve.affinity: this system lets no process choose its cores", remedy="Leave it out")


def _load(
    ws: Workspace,
    settings: Serve,
    text: Text | None,
    beside: Sequence[Workspace],
    serve: Callable[[ASGIApp, Versions], None],
    worker: Worker | None = None,
) -> None:
    """Open all that one process answers from, and let it `serve`."""
    if worker and worker.again:  # what the others may have refused does not come back by the one that ended
        verify(ws)
    metrics = Metrics(functools.partial(gathered.text, worker)) if worker else Metrics()
    compared = _compared(beside)
    engine, journal, memories = engines.connect(settings), Journal(ws.root), Memories(settings.cached_queries)
    with (
        _shared(settings, metrics) as shared,
        _log(ws, settings, metrics) as log,
        gathered.left(worker, metrics.own) if worker else contextlib.nullcontext(),
    ):

        def opened(ws: Workspace) -> Ranker:
            caches = Caches(memories, shared)
            store = Store.open(ws, text, caches.readings)
            if engine:
                store = engines.outside(store, ws, engine)
            others, live = Others(ws, store, compared), live_store.open(store, ws, journal)
            return Ranker(live, stage=metrics.stage, caches=caches, others=others, blend=settings.blend)

        versions = Versions(ws, opened, functools.partial(pins.caught_up, journal=journal))
        judgments = Judgments(ws.table(name, MEANT) for name in ("judgments", "heldout") if ws.has(name))
        app = create(versions, settings, _pictures(ws), metrics, judgments, Kept(journal, log))
        with _watched(versions, settings, metrics), pins.followed(versions.catch_up):
            serve(app, versions)


def _alone(settings: Serve, app: ASGIApp, versions: Versions) -> None:
    with listening.listen(settings.host, settings.port, "serve") as door:
        _say_ready(listening.address(settings.host, door), len(versions.ranker))
        listening.serve(app, door)


def _among(settings: Serve, worker: Worker, app: ASGIApp, versions: Versions) -> None:
    with listening.listen(settings.host, settings.port, "serve", shared=True) as door:
        observed.to_stderr()
        worker.ready(len(versions.ranker))
        listening.serve(app, door)


def _say_ready(url: str, count: int) -> None:
    progress.say("ready", f"Serving {count:,} Pins on {url}", url=url, pins=count)
    progress.choose("quiet")  # from here on, a bar per query would be noise
    observed.to_stderr()


def _compared(beside: Sequence[Workspace]) -> dict[str, Ranker]:
    """The rankers of other workspaces, by what people read; `InputError` where two would read the same."""
    found: dict[str, Ranker] = {}
    for other in beside:
        name = f"student ({other.root.resolve().name})"
        if name in found:
            raise InputError(f"two workspaces to compare are named {other.root.resolve().name}", remedy="Rename one")
        found[name] = Ranker(Store.open(other))
    return found


@contextlib.contextmanager
def _shared(settings: Serve, metrics: Metrics) -> Iterator[Shared | None]:
    """The caches in the Redis that the recipe names, if any, and what is counted of it."""
    if settings.redis is None:
        yield None
        return
    from limbeck.serve.shared import Remote, RemoteCache  # here, because its client takes long to import

    with contextlib.closing(Remote(settings.redis)) as remote:
        metrics.watch(
            lambda: {"shared_cache_up": remote.breaker.up},
            lambda: {"shared_cache_failures": remote.breaker.failures, "shared_cache_refused": remote.refused},
        )
        yield functools.partial(RemoteCache, remote)


@contextlib.contextmanager
def _log(ws: Workspace, settings: Serve, metrics: Metrics) -> Iterator[FeatureLog | None]:
    """The feature log that the recipe names, if any, and what is counted of it."""
    if settings.feature_log is None:
        yield None
        return
    with contextlib.closing(FeatureLog(ws.root / settings.feature_log)) as log:
        metrics.watch(dict, lambda: {"feature_log_pins": log.written, "feature_log_dropped": log.dropped})
        yield log


@contextlib.contextmanager
def _watched(versions: Versions, settings: Serve, metrics: Metrics) -> Iterator[None]:
    """Newer versions take over meanwhile."""

    def heard(outcome: str, said: str) -> None:
        metrics.swaps.labels(outcome).inc()
        observed.log.info(json.dumps({"version": outcome, "model" if outcome == "taken" else "reason": said}))

    stop = versions.watch(settings.look_seconds, heard)
    try:
        yield
    finally:
        stop()


def _pictures(ws: Workspace) -> Path:
    """The folder that images of Pins are relative to."""
    return ws.folder(PICTURES) if ws.has(PICTURES) else ws.root / "images"
