"""The telemetry of one server: what hears of its commits, what counts its calls, what is sent."""

import asyncio
import logging
import os
import time
from math import inf
from typing import TYPE_CHECKING

from countermand.app.commit_traces import CommitTraces
from countermand.app.composition import App
from countermand.core.knobs import TelemetryKnobs
from countermand.engine.listeners import Listener
from countermand.telemetry import instruments
from countermand.telemetry.environment import MetricSettings, metric_settings_from
from countermand.telemetry.measures import Measures
from countermand.telemetry.tracing import Tracing
from countermand.telemetry.variables import VariableRefused

if TYPE_CHECKING:
    from countermand.telemetry.metrics import Metrics
    from countermand.telemetry.pushing import MetricPusher

log = logging.getLogger(__name__)


class Instrumentation:
    """Traces, and metrics if somebody asked for them. Without, nothing is counted."""

    def __init__(
        self,
        knobs: TelemetryKnobs,
        service_version: str,
        *,
        counts: bool = False,
        replica: str = "",
    ) -> None:
        """Sends what the standard OTEL_ variables ask for, as of this replica of the server;
        `counts` says whether metrics are kept for another reason."""
        self.replica = replica
        self._knobs = knobs
        self._version = service_version
        self.tracing = Tracing.from_environment(
            knobs, service_version=service_version, replica=replica
        )
        self.metrics: Metrics | None = None
        self._pusher: MetricPusher | None = None
        settings = _push_settings()
        if counts or settings is not None:
            # Loading the registry takes a tenth of a second, which few servers need.
            from countermand.telemetry import metrics

            self.metrics = metrics.Metrics()
        if self.metrics is not None and settings is not None:
            from countermand.telemetry import pushing

            self._pusher = pushing.otlp_pusher(
                self.metrics, settings, service_version, replica, knobs
            )

    @property
    def measures(self) -> Measures:
        """What the calls are counted by."""
        return self.metrics or Measures()

    def listeners(self, store: str) -> list[Listener]:
        """Returns what is to hear of every commit to a store of this kind."""
        listeners: list[Listener] = [CommitTraces(self.tracing, store)]
        if self.metrics is not None:
            from countermand.app.commit_metrics import CommitCounter

            self.metrics.built(self._version, store)
            listeners.append(CommitCounter(self.metrics))
        return listeners

    def attach(self, app: App) -> list[asyncio.Task[None]]:
        """Reads from these parts: most whenever somebody looks at the metrics, the rest in tasks
        that it returns, to be cancelled when the server leaves."""
        metrics = self.metrics
        if metrics is None:
            return []
        from countermand.app.store_gauges import read_membership, read_store

        app.writer.listen_to_failures(metrics.commit_failed)
        metrics.read(instruments.WATCHES_OPEN, lambda: len(app.watchers))
        metrics.read(instruments.WATCHES_MAX, lambda: app.watchers.max_open or inf)
        metrics.read(instruments.COMMANDS_WAITING, lambda: app.writer.waiting)
        metrics.read(instruments.REAPER_LAG, lambda: app.reaper.lag)
        read_membership(metrics, app.membership)
        reading = read_store(metrics, app.store, app.clock, self._knobs)
        return [asyncio.create_task(reading, name="store gauges")]

    def leave(self) -> None:
        """Begins to send what there is, so that little is left when the last call is answered."""
        self.tracing.leave()

    def shutdown(self) -> None:
        """Sends what is left, in a bounded time for all of it. It blocks."""
        deadline = time.monotonic() + self._knobs.shutdown_timeout
        if self._pusher is not None:
            self._pusher.leave()
        self.tracing.shutdown()
        if self._pusher is not None:
            self._pusher.shutdown(max(0.0, deadline - time.monotonic()))


def _push_settings() -> MetricSettings | None:
    """Returns where metrics are to be sent; None if nowhere, which the log explains if a variable
    is malformed or not supported."""
    try:
        return metric_settings_from(os.environ)
    except VariableRefused as refusal:
        log.warning("metrics are not sent: %s", refusal)
        return None
