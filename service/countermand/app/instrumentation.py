"""The telemetry of one server: what hears of its commits, what counts its calls, what is sent."""

import asyncio
from math import inf
from typing import TYPE_CHECKING

from countermand.app.commit_traces import Storyteller
from countermand.app.composition import App
from countermand.core.knobs import TelemetryKnobs
from countermand.engine.listeners import Listener
from countermand.telemetry import instruments
from countermand.telemetry.measures import Measures
from countermand.telemetry.tracing import Tracing

if TYPE_CHECKING:
    from countermand.telemetry.metrics import Metrics


class Instrumentation:
    """Traces, and metrics if somebody asked for them. Without, nothing is counted."""

    def __init__(
        self, knobs: TelemetryKnobs, service_version: str, *, counts: bool = False
    ) -> None:
        """Sends what the standard OTEL_ variables ask for; `counts` says whether metrics are kept
        for another reason."""
        self._knobs = knobs
        self._version = service_version
        self.tracing = Tracing.from_environment(knobs, service_version=service_version)
        self.metrics: Metrics | None = None
        if counts:
            # Loading the registry takes a tenth of a second, which few servers need.
            from countermand.telemetry import metrics

            self.metrics = metrics.Metrics()

    @property
    def measures(self) -> Measures:
        """What the calls are counted by."""
        return self.metrics or Measures()

    def listeners(self, store: str) -> list[Listener]:
        """Returns what is to hear of every commit to a store of this kind."""
        listeners: list[Listener] = [Storyteller(self.tracing, store)]
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
        from countermand.app.store_gauges import read_store

        app.writer.listen_to_failures(metrics.commit_failed)
        metrics.read(instruments.WATCHES_OPEN, lambda: len(app.watchers))
        metrics.read(instruments.WATCHES_MAX, lambda: app.watchers.max_open or inf)
        metrics.read(instruments.COMMANDS_WAITING, lambda: app.writer.waiting)
        metrics.read(instruments.REAPER_LAG, lambda: app.reaper.lag)
        reading = read_store(metrics, app.store, app.clock, self._knobs)
        return [asyncio.create_task(reading, name="store gauges")]

    def shutdown(self) -> None:
        """Sends what is left, after a bounded time. It blocks."""
        self.tracing.shutdown()
