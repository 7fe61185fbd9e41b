"""What the service counts and times, in the format that Prometheus reads."""

import contextlib
import time
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
Present = Callable[[], dict[str, float]]


class Metrics:
    """The counters of one service. `watch` names what is asked at every scrape: a value rather than a history.

    `among` gives the text of several such services, of the text of this one.
    """

    def __init__(self, among: Callable[[bytes], bytes] = lambda own: own) -> None:
        self._registry, self._among = CollectorRegistry(), among
        self._requests = Counter("limbeck_requests", "Requests answered", ["route", "status"], registry=self._registry)
        self._seconds = Histogram(
            "limbeck_request_seconds", "From the request's first byte to the answer's last", ["route"],
            buckets=SECONDS, registry=self._registry,
        )  # fmt: skip
        self._stages = Histogram(
            "limbeck_stage_seconds", "Parts of the work for one request", ["stage"], buckets=SECONDS,
            registry=self._registry,
        )  # fmt: skip
        self.degraded = Counter(
            "limbeck_degraded", "Answers made with less work than usual", ["reason"], registry=self._registry
        )
        self.swaps = Counter(
            "limbeck_swaps", "Newer versions, taken or refused; the one that answers, damaged", ["outcome"],
            registry=self._registry,
        )  # fmt: skip
        # By their labels, which the library looks for, under a lock, each time that it is asked.
        self._of_answers: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._of_stages: dict[str, Histogram] = {}

    def answered(self, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        if (route, status) not in self._of_answers:
            self._of_answers[route, status] = self._requests.labels(route, str(status)), self._seconds.labels(route)
        count, times = self._of_answers[route, status]
        count.inc()
        times.observe(seconds)

    def stage(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Time the body as a part of the work."""
        if name not in self._of_stages:
            self._of_stages[name] = self._stages.labels(name)
        return _Timed(self._of_stages[name])

    def watch(self, gauges: Present, counters: Present, model: Callable[[], str] | None = None) -> None:
        """Ask these at every scrape; counters of a version begin again with the next one, as Prometheus allows."""
        self._registry.register(_Asked(gauges, counters, model))

    def own(self) -> bytes:
        """All of it, as text."""
        return generate_latest(self._registry)

    def text(self) -> bytes:
        """All of it, and what is among it, as text."""
        return self._among(self.own())


class _Timed(contextlib.AbstractContextManager[None]):
    """Observes how long its body takes."""

    def __init__(self, times: Histogram) -> None:
        self._times = times

    def __enter__(self) -> None:
        self._begun = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._times.observe(time.perf_counter() - self._begun)


class _Asked:
    """Values that others keep."""

    def __init__(self, gauges: Present, counters: Present, model: Callable[[], str] | None) -> None:
        self._gauges, self._counters, self._model = gauges, counters, model

    def collect(self) -> Iterable[Metric]:
        """The values of now."""
        for name, value in self._gauges().items():
            yield GaugeMetricFamily(f"limbeck_{name}", name.replace("_", " "), value=value)
        for name, value in self._counters().items():
            yield CounterMetricFamily(f"limbeck_{name}", name.replace("_", " "), value=value)
        if self._model is None:
            return
        version = GaugeMetricFamily("limbeck_version", "The student that answers", labels=["model"])
        version.add_metric([self._model()], 1)
        yield version
