"""Metrics, handed to the OpenTelemetry SDK's exporters, which send them by OTLP.

What is sent is read from the registry that Prometheus reads: one set of numbers, under the names
that OpenTelemetry has for them. The SDK's own instruments are not used, since each count would cost
ten times as much.
"""

import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import Metric as Family
from prometheus_client.samples import Exemplar as PrometheusExemplar
from prometheus_client.samples import Sample

from countermand.core.knobs import TelemetryKnobs
from countermand.telemetry import conventions
from countermand.telemetry.environment import GRPC, MetricSettings, normalize
from countermand.telemetry.export import service_resource
from countermand.telemetry.instrument import Instrument
from countermand.telemetry.instruments import OWN, PROCESS
from countermand.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

_CUMULATIVE: Final = AggregationTemporality.CUMULATIVE
_BY_FAMILY: Final[Mapping[str, Instrument]] = {one.family: one for one in (*OWN, *PROCESS)}


class MetricPusher:
    """Sends all metrics now and then, from a thread of its own."""

    def __init__(
        self,
        metrics: Metrics,
        exporter: MetricExporter,
        resource: Resource,
        interval: float,
        knobs: TelemetryKnobs,
    ) -> None:
        """`interval` is in seconds."""
        self._metrics = metrics
        self._exporter = exporter
        self._resource = resource
        self._interval = interval
        self._knobs = knobs
        self._scope = InstrumentationScope(
            "countermand",
            str(resource.attributes.get(conventions.SERVICE_VERSION, "")),
            conventions.SCHEMA_URL,
        )
        self._start_ns = time.time_ns()
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metric-push", daemon=True)
        self._thread.start()

    def leave(self) -> None:
        """Has what is left sent now, and then no more. It does not wait."""
        self._leaving.set()

    def shutdown(self, timeout: float) -> None:
        """Sends what is left and ends, after at most about `timeout` seconds; blocks."""
        self.leave()
        self._thread.join(timeout)
        if self._thread.is_alive():
            # This breaks off the call under way and the waits between attempts.
            self._exporter.shutdown()
            self._thread.join(self._knobs.abort_timeout)

    def _run(self) -> None:
        last = False
        while not last:
            last = self._leaving.wait(self._interval)
            try:
                self._exporter.export(self._read())
            except Exception:
                log.exception("metrics could not be sent")
        self._exporter.shutdown()

    def _read(self) -> MetricsData:
        now = time.time_ns()
        found = [
            _metric(_BY_FAMILY[family.name], family, self._start_ns, now)
            for family in self._metrics.registry.collect()
            if family.name in _BY_FAMILY
        ]
        scoped = ScopeMetrics(self._scope, found, conventions.SCHEMA_URL)
        return MetricsData([ResourceMetrics(self._resource, [scoped], self._resource.schema_url)])


def _metric(instrument: Instrument, family: Family, start_ns: int, now_ns: int) -> Metric:
    data: Sum | Gauge | Histogram
    if family.type == "histogram":
        points = list(_histograms(instrument, family.samples, start_ns, now_ns))
        data = Histogram(points, _CUMULATIVE)
    else:
        numbers = [
            NumberDataPoint(_attributes(instrument, sample.labels), start_ns, now_ns, sample.value)
            for sample in family.samples
        ]
        counted = family.type == "counter"
        data = Sum(numbers, _CUMULATIVE, is_monotonic=True) if counted else Gauge(numbers)
    return Metric(instrument.name, instrument.help, instrument.unit, data)


def _histograms(
    instrument: Instrument, samples: Iterable[Sample], start_ns: int, now_ns: int
) -> Iterator[HistogramDataPoint]:
    """Yields one point for each set of labels. Its samples come together, the sum behind them."""
    reached: list[int] = []
    exemplars: list[Exemplar] = []
    for sample in samples:
        if sample.name.endswith("_bucket"):
            reached.append(int(sample.value))
            if sample.exemplar is not None:
                exemplars.append(_exemplar(sample.exemplar))
        elif sample.name.endswith("_sum"):
            yield HistogramDataPoint(
                attributes=_attributes(instrument, sample.labels),
                start_time_unix_nano=start_ns,
                time_unix_nano=now_ns,
                count=reached[-1],
                sum=sample.value,
                bucket_counts=_differences(reached),
                explicit_bounds=instrument.buckets,
                min=None,  # type: ignore[arg-type]  # optional on the wire; nobody kept them
                max=None,  # type: ignore[arg-type]
                exemplars=exemplars,
            )
            reached, exemplars = [], []


def _differences(reached: Sequence[int]) -> list[int]:
    return [count - before for before, count in zip([0, *reached], reached, strict=False)]


def _exemplar(given: PrometheusExemplar) -> Exemplar:
    labels: Mapping[str, str] = given.labels
    return Exemplar(
        {},
        given.value,
        int(float(given.timestamp or 0) * 1e9),
        int(labels["span_id"], 16),
        int(labels["trace_id"], 16),
    )


def _attributes(instrument: Instrument, labels: Mapping[str, str]) -> dict[str, str]:
    """Returns labels by their names at OpenTelemetry; an empty one is none."""
    names = dict(zip(instrument.shown_labels, instrument.labels, strict=True))
    return {names[label]: value for label, value in labels.items() if value}


def otlp_pusher(
    metrics: Metrics,
    settings: MetricSettings,
    service_version: str,
    replica: str,
    knobs: TelemetryKnobs,
) -> MetricPusher | None:
    """Returns what sends metrics as these settings and the OTEL_ variables say.

    Raises nothing: None, and a line in the log, if that cannot be.
    """
    try:
        normalize(os.environ)
        exporter = _exporter(settings)
        resource = service_resource(service_version, replica)
        interval = settings.interval or knobs.push_interval
        return MetricPusher(metrics, exporter, resource, interval, knobs)
    except Exception as error:  # whatever only the SDK objects to
        log.warning("metrics are not sent: %s: %s", type(error).__name__, error)
    return None


def _exporter(settings: MetricSettings) -> MetricExporter:
    # Each loads a library of its own, which takes a while.
    if settings.protocol == GRPC:
        from opentelemetry.exporter.otlp.proto.grpc import metric_exporter as by_grpc

        return by_grpc.OTLPMetricExporter(endpoint=settings.endpoint)
    from opentelemetry.exporter.otlp.proto.http import metric_exporter as by_http

    return by_http.OTLPMetricExporter()
