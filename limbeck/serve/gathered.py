"""What all workers behind one port have counted, whichever of them is asked."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from limbeck.serve.workers import Worker

SECONDS = 1.0  # from one time that a worker leaves its counts to the next


def text(worker: Worker, own: bytes) -> bytes:
    """A worker's own counts with those that the others left a moment ago, each labelled by its `worker`."""
    said = {file.stem: file.read_text(encoding="utf-8") for file in sorted(worker.folder.glob("*.prom"))}
    registry = CollectorRegistry()
    registry.register(_Labelled(said | {str(worker.number): own.decode()}))
    return generate_latest(registry)


@contextlib.contextmanager
def left(worker: Worker, own: Callable[[], bytes]) -> Iterator[None]:
    """Leave what a worker counted for the others, every moment while the body runs."""
    stopped = threading.Event()

    def leaving() -> None:
        while not stopped.wait(SECONDS):
            with contextlib.suppress(OSError):  # a full disk, or the folder is gone: whoever asks sees old counts
                _leave(worker.folder / f"{worker.number}.prom", own())

    threading.Thread(target=leaving, name="counts", daemon=True).start()
    try:
        yield
    finally:
        stopped.set()


def _leave(file: Path, said: bytes) -> None:
    partial = file.with_suffix(".partial")
    partial.write_bytes(said)
    os.replace(partial, file)


class _Labelled(Collector):
    """The families of several texts, each family once, its samples labelled by whose they are."""

    def __init__(self, said: dict[str, str]) -> None:
        self._said = said

    def collect(self) -> Iterable[Metric]:
        """The families, in the order in which they first come."""
        found: dict[str, Metric] = {}
        for worker, text in self._said.items():
            for family in text_string_to_metric_families(text):
                whole = found.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    whole.samples.append(sample._replace(labels={**sample.labels, "worker": worker}))
        return found.values()
