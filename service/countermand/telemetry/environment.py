"""The standard OTEL_ variables that decide whether and what to trace.

The rest of them (headers, certificates, timeouts, batches) the SDK reads by itself; its limits for
the size of spans are not applied, as ours are small.
"""

from collections.abc import Mapping, MutableMapping
from typing import Final, NamedTuple

from countermand.telemetry.sampling import Sampler
from countermand.telemetry.variables import check

DEFAULT_RATIO: Final = 0.1
_COMPRESSIONS: Final = ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION")
_FIXED_RATIOS: Final = {"always_on": 1.0, "always_off": 0.0}


class TraceSettings(NamedTuple):
    """What to send, and where."""

    endpoint: str
    sampler: Sampler


def settings_from(environ: Mapping[str, str]) -> TraceSettings | None:
    """Returns what is asked for, or None if nobody asked or someone forbade it.

    Without an endpoint, nothing else is read. Raises VariableRefused for a value that is malformed
    or not supported.
    """

    def read(name: str) -> str:
        return environ.get(name, "").strip()

    endpoint = read("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or read("OTEL_EXPORTER_OTLP_ENDPOINT")
    if not endpoint:
        return None
    check(environ)
    exporters = [name.strip().lower() for name in read("OTEL_TRACES_EXPORTER").split(",")]
    sampler = _sampler_from(environ)
    if read("OTEL_SDK_DISABLED").lower() == "true" or "none" in exporters or sampler.never_samples:
        return None
    return TraceSettings(endpoint, sampler)


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
    value that forbids compression: then the variables must be unset.
    """
    if _forbids_compression(environ):
        for name in _COMPRESSIONS:
            environ.pop(name, None)
    for name in [name for name in environ if name.startswith("OTEL_")]:
        value = environ[name].strip()
        if value:
            environ[name] = value
        else:
            del environ[name]


def _forbids_compression(environ: Mapping[str, str]) -> bool:
    given = (environ.get(name, "").strip().lower() for name in _COMPRESSIONS)
    return next(filter(None, given), None) == "none"
