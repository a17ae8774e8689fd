"""The standard OTEL_ variables that decide whether, what and where to send.

The rest of them (headers, certificates, timeouts, batches) the SDK reads by itself; its limits for
the size of spans are not applied, as ours are small.
"""

from collections.abc import Mapping, MutableMapping
from typing import Final, NamedTuple

from countermand.telemetry.sampling import Sampler
from countermand.telemetry.variables import Signal, check

GRPC: Final = "grpc"
DEFAULT_RATIO: Final = 0.1
_COMPRESSION: Final = "OTEL_EXPORTER_OTLP_COMPRESSION"
_FIXED_RATIOS: Final = {"always_on": 1.0, "always_off": 0.0}
_MILLISECONDS: Final = 1000


class TraceSettings(NamedTuple):
    """What spans to send, and where."""

    endpoint: str
    protocol: str
    """`grpc` or `http/protobuf`."""
    sampler: Sampler


class MetricSettings(NamedTuple):
    """Where to send metrics, and how often."""

    endpoint: str
    protocol: str
    """`grpc` or `http/protobuf`."""
    interval: float | None
    """In seconds; None if nobody said."""


def settings_from(environ: Mapping[str, str]) -> TraceSettings | None:
    """Returns what is asked for of traces, or None if nobody asked or someone forbade it.

    Without an endpoint, nothing else is read. Raises VariableRefused for a value that is malformed
    or not supported.
    """
    found = _destination(environ, Signal.TRACES)
    if found is None:
        return None
    sampler = _sampler_from(environ)
    return None if sampler.never_samples else TraceSettings(*found, sampler)


def metric_settings_from(environ: Mapping[str, str]) -> MetricSettings | None:
    """Returns what is asked for of metrics, as `settings_from` does of traces."""
    found = _destination(environ, Signal.METRICS)
    if found is None:
        return None
    given = environ.get("OTEL_METRIC_EXPORT_INTERVAL", "").strip()
    return MetricSettings(*found, int(given) / _MILLISECONDS if given else None)


def _destination(environ: Mapping[str, str], signal: Signal) -> tuple[str, str] | None:
    """Returns endpoint and protocol of a signal; None if it is not to be sent."""

    def read(name: str) -> str:
        return environ.get(name, "").strip()

    def read_otlp(name: str) -> str:
        return read(f"OTEL_EXPORTER_OTLP_{signal}_{name}") or read(f"OTEL_EXPORTER_OTLP_{name}")

    endpoint = read_otlp("ENDPOINT")
    if not endpoint:
        return None
    check(environ, signal)
    exporters = [name.strip().lower() for name in read(f"OTEL_{signal}_EXPORTER").split(",")]
    if read("OTEL_SDK_DISABLED").lower() == "true" or "none" in exporters:
        return None
    return endpoint, read_otlp("PROTOCOL").lower() or GRPC


def _sampler_from(environ: Mapping[str, str]) -> Sampler:
    """Returns the sampler that OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG name.

    Without a name it is parent-based, with the ratio given or DEFAULT_RATIO.
    """
    name = environ.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    argument = environ.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
    root = name.removeprefix("parentbased_")
    if root in _FIXED_RATIOS:
        return Sampler(_FIXED_RATIOS[root], parent_based=name != root)
    ratio = float(argument or (1.0 if name else DEFAULT_RATIO))
    return Sampler(ratio, parent_based=name == "" or name != root)


def normalize(environ: MutableMapping[str, str]) -> None:
    """Writes the variables as the SDK understands them.

    It takes an empty value for a malformed one, and a blank for a part of a file's name. It has no
    value that forbids compression: then the variables must be unset, so each signal gets its own.
    """
    general = environ.pop(_COMPRESSION, "").strip()
    for signal in Signal:
        name = f"OTEL_EXPORTER_OTLP_{signal}_COMPRESSION"
        environ[name] = environ.get(name, "").strip() or general
        if environ[name].lower() == "none":
            environ[name] = ""
    for name in [name for name in environ if name.startswith("OTEL_")]:
        value = environ[name].strip()
        if value:
            environ[name] = value
        else:
            del environ[name]
