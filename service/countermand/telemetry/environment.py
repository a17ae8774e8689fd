"""The standard OTEL_ variables that decide whether and what to trace.

The rest of them (headers, certificates, timeouts, batches) the SDK reads by itself; its limits for
the size of spans are not applied, as ours are small.
A value that is not understood is reported in the log and counts as not set, as OpenTelemetry asks.
"""

import logging
from collections.abc import Mapping
from typing import Final

from countermand.telemetry.sampling import Sampler

log = logging.getLogger(__name__)

DEFAULT_RATIO: Final = 0.1
_FIXED_RATIOS: Final = {"always_on": 1.0, "always_off": 0.0}


def endpoint_from(environ: Mapping[str, str]) -> str | None:
    """Returns where to send traces, or None if nobody asked for them or someone forbade them."""

    def read(name: str) -> str:
        return environ.get(name, "").strip()

    endpoint = read("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or read("OTEL_EXPORTER_OTLP_ENDPOINT")
    if not endpoint or read("OTEL_SDK_DISABLED").lower() == "true":
        return None
    exporters = [name.strip() for name in (read("OTEL_TRACES_EXPORTER") or "otlp").split(",")]
    if "otlp" not in exporters:
        if exporters != ["none"]:
            log.warning("OTEL_TRACES_EXPORTER can be otlp or none, traces are off: %r", exporters)
        return None
    protocol = read("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or read("OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol not in ("", "grpc"):
        log.warning("OTEL_EXPORTER_OTLP_PROTOCOL can be grpc, which is used: %r", protocol)
    return endpoint


def sampler_from(environ: Mapping[str, str]) -> Sampler:
    """Returns the sampler that OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG name.

    Without a name it is parent-based, with the ratio given or DEFAULT_RATIO.
    """
    name = environ.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    root = name.removeprefix("parentbased_")
    if root in _FIXED_RATIOS:
        return Sampler(_FIXED_RATIOS[root], parent_based=name != root)
    if root == "traceidratio":
        return Sampler(_ratio_from(environ, default=1.0), parent_based=name != root)
    if name:
        log.warning("OTEL_TRACES_SAMPLER names no known sampler: %r", name)
    return Sampler(_ratio_from(environ, default=DEFAULT_RATIO))


def _ratio_from(environ: Mapping[str, str], default: float) -> float:
    text = environ.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
    try:
        ratio = float(text or default)
    except ValueError:
        ratio = -1.0
    if 0 <= ratio <= 1:
        return ratio
    log.warning("OTEL_TRACES_SAMPLER_ARG is no number from 0 to 1: %r", text)
    return default
