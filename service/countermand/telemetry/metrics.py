"""The registry of metrics, and what the parts of the server call to count in it.

A call finds its histogram kept ready by method and status.
What commits change is counted once a batch. What stands still until somebody looks is read then.
"""

import os
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, Final

os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)  # It would keep every number in files.

import prometheus_client as prometheus
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from countermand.core.trace import TraceContext
from countermand.telemetry import conventions, instruments
from countermand.telemetry.histograms import Histogram, Series
from countermand.telemetry.instrument import Instrument, Kind
from countermand.telemetry.measures import OTHER, CallMeasure, Measures

prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
# They are half as many series again, which nobody reads.

_MAKERS: Final[Mapping[Kind, Callable[..., Any]]] = {
    Kind.COUNTER: prometheus.Counter,
    Kind.GAUGE: prometheus.Gauge,
}
_openmetrics: Final[Callable[..., bytes]] = openmetrics.generate_latest
_OF_STRANGERS: Final = ("UNAUTHENTICATED", "RESOURCE_EXHAUSTED", "UNIMPLEMENTED", "UNAVAILABLE")
"""The statuses that need no key."""


class _Calls(CallMeasure):
    """The calls of one method."""

    __slots__ = ("_histograms", "_make")

    def __init__(self, make: Callable[[str], Series], *statuses: str) -> None:
        self._make = make
        self._histograms = {status: make(status) for status in statuses}

    def ended(self, status: str, begin: float, trace: TraceContext | None = None) -> None:
        histogram = self._histograms.get(status)
        if histogram is None:
            histogram = self._histograms[status] = self._make(status)
        seconds = perf_counter() - begin
        if trace is not None and trace.sampled:
            histogram.observe_sampled(seconds, trace)
        else:
            histogram.observe(seconds)


class Metrics(Measures):
    """All metrics of one server."""

    def __init__(self) -> None:
        self.registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=self.registry)
        self._families = {one.name: _made(one, self.registry) for one in instruments.OWN}
        self._left_out: set[str] = set()
        self._refusals = self._children(instruments.REFUSALS)
        self._opened = self._families[instruments.WATCHES_OPENED.name]
        self._ended = self._families[instruments.WATCHES_ENDED.name]
        self._children(instruments.WATCHES_ENDED)
        self._cancellations = self._children(instruments.CANCELLATIONS)
        self._repeats = self._children(instruments.CANCEL_REPEATS)
        self._changes = self._children(instruments.TASK_CHANGES)
        self._cancel_duration = self._children(instruments.CANCEL_DURATION)
        self._commit_duration = self._families[instruments.COMMIT_DURATION.name].labels()
        self._commit_commands = self._families[instruments.COMMIT_COMMANDS.name].labels()
        self._failures = self._children(instruments.COMMIT_FAILURES)
        self._outages = self._families[instruments.LEASE_OUTAGES.name]
        self._removed = self._families[instruments.RECORDS_REMOVED.name]
        self._webhook_attempts = self._children(instruments.WEBHOOK_ATTEMPTS)
        self._webhook_age = self._families[instruments.WEBHOOK_AGE.name].labels()
        self._webhook_missed = self._families[instruments.WEBHOOK_MISSED.name]
        self._webhook_endpoints = self._children(instruments.WEBHOOK_ENDPOINTS)

    def add(self, collector: Collector) -> None:
        """Reads from that, too, whenever somebody looks."""
        self.registry.register(collector)

    def read(self, gauge: Instrument, reading: Callable[[], float]) -> None:
        """Has a gauge read whenever somebody looks; in another thread, so it must be quick."""
        self._families[gauge.name].set_function(reading)

    def set(self, gauge: Instrument, value: float | None) -> None:
        """Sets a gauge to what was read just now. One that cannot be known is left out from then
        on: a number would say something, and raise alarms."""
        if value is not None:
            self._families[gauge.name].set(value)
        elif gauge.name not in self._left_out:
            self._left_out.add(gauge.name)
            self.registry.unregister(self._families[gauge.name])

    def built(self, version: str, store: str) -> None:
        """Says what runs."""
        self._families[instruments.BUILD.name].labels(version, store).set(1)

    def of_method(self, method: str) -> CallMeasure:
        family = self._families[instruments.CALL_DURATION.name]

        def make(status: str) -> Series:
            error = status if status in conventions.SERVER_FAULTS else ""
            found: Series = family.labels(conventions.GRPC, method, status, error)
            return found

        return _Calls(make, *_OF_STRANGERS) if method == OTHER else _Calls(make, "OK")

    def refused(self, reason: str) -> None:
        self._refusals[reason].inc()

    def watch_opened(self) -> None:
        self._opened.inc()

    def watch_ended(self, status: str) -> None:
        self._ended.labels(status).inc()

    def webhook_tried(self, *, succeeded: bool, age: float | None) -> None:
        self._webhook_attempts["succeeded" if succeeded else "failed"].inc()
        if age is not None:
            self._webhook_age.observe(age)

    def webhooks_missed(self, events: int) -> None:
        self._webhook_missed.inc(events)

    def webhooks_changed(self, state: str, webhooks: int) -> None:
        self._webhook_endpoints[state].set(webhooks)

    def committed(self, seconds: float, commands: int) -> None:
        """Takes a commit that took so long until it was on disk, and served so many commands."""
        self._commit_duration.observe(seconds)
        self._commit_commands.observe(commands)

    def commit_failed(self, cause: str) -> None:
        """Counts a commit that failed: `full`, `disk` or `fault`."""
        self._failures[cause].inc()

    def tasks_changed(self, state: str, tasks: int) -> None:
        """Counts tasks that came into a state."""
        self._changes[state].inc(tasks)

    def tasks_cancelled(self, proof: str, seconds: float, tasks: int) -> None:
        """Takes tasks that were CANCELLED so long after the accept of their cancel."""
        self._cancel_duration[proof].observe_alike(seconds, tasks)

    def cancels_accepted(self, target: str, cancels: int) -> None:
        """Counts accepted cancellations of one kind of target."""
        self._cancellations[target].inc(cancels)

    def cancel_repeated(self, kind: str) -> None:
        """Counts a cancel that made no cancellation: `joined` or `replayed`."""
        self._repeats[kind].inc()

    def leases_renewed(self) -> None:
        """Counts a time in which no agent could renew its lease."""
        self._outages.inc()

    def records_removed(self, records: int) -> None:
        """Counts what was removed after the retention."""
        self._removed.inc(records)

    def render(self, accept: str) -> tuple[bytes, str]:
        """Returns all metrics and their content type: OpenMetrics if an Accept header asks for it,
        else the text format of Prometheus."""
        if "application/openmetrics-text" in accept:
            return _openmetrics(self.registry), openmetrics.CONTENT_TYPE_LATEST
        text = prometheus.generate_latest(self.registry)
        return text, prometheus.exposition.CONTENT_TYPE_PLAIN_0_0_4

    def _children(self, instrument: Instrument) -> dict[str, Any]:
        """Returns what counts each value of its label, ready before the first one comes."""
        family = self._families[instrument.name]
        return {value: family.labels(value) for value in instrument.values}


def _made(instrument: Instrument, registry: prometheus.CollectorRegistry) -> Any:
    if instrument.kind is Kind.HISTOGRAM:
        return Histogram(instrument, registry)
    make = _MAKERS[instrument.kind]
    return make(instrument.family, instrument.help, instrument.shown_labels, registry=registry)
