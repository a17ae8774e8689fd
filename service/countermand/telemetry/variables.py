"""The standard OTEL_ variables that concern traces and metrics, and the values that each allows.

The SDK treats a value that it does not understand in several ways: it raises, or logs some lines
and uses another value, or fails when the first of it goes out. So all are checked beforehand.
"""

import re
import ssl
from collections.abc import Callable, Mapping
from enum import StrEnum
from importlib.metadata import entry_points
from math import isfinite
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

Environ = Mapping[str, str]
Allowed = Mapping[str, Callable[[str], str | None]]


class Signal(StrEnum):
    """What is sent; the word is the one in the names of its variables."""

    TRACES = "TRACES"
    METRICS = "METRICS"


class VariableRefused(ValueError):
    """The value of a variable is malformed or not supported; the text names it and says why."""


def check(environ: Environ, signal: Signal) -> None:
    """Raises VariableRefused for the first variable of a signal whose value is malformed or not
    supported.

    One that is empty counts as not set, and one that is overridden for the signal is not read.
    """
    for name, allowed in VARIABLES[signal].items():
        value = environ.get(name, "").strip()
        if not value or any(environ.get(other, "").strip() for other in _overrides(name, signal)):
            continue
        why = allowed(value)
        if why is not None:
            shown = "" if name.endswith("_HEADERS") else f": {value!r}"  # headers carry keys
            raise VariableRefused(f"{name} {why}{shown}")
    _check_together(environ, signal)


def _overrides(name: str, signal: Signal) -> list[str]:
    """Returns the variable that stands for this one where the signal is concerned, if one does."""
    return [f"{_OTLP}_{signal}_{end}" for end in _OVERRIDDEN if name == f"{_OTLP}_{end}"]


def _check_together(environ: Environ, signal: Signal) -> None:
    def given(name: str) -> str:
        return environ.get(name, "").strip()

    batch, queue = given("OTEL_BSP_MAX_EXPORT_BATCH_SIZE"), given("OTEL_BSP_MAX_QUEUE_SIZE")
    if signal is Signal.TRACES and batch and queue and int(batch) > int(queue):
        raise VariableRefused(
            f"OTEL_BSP_MAX_EXPORT_BATCH_SIZE is above OTEL_BSP_MAX_QUEUE_SIZE: {batch!r}"
        )
    for prefix in (_OTLP, f"{_OTLP}_{signal}"):
        names = f"{prefix}_CLIENT_CERTIFICATE", f"{prefix}_CLIENT_KEY"
        cert, key = map(given, names)
        if bool(cert) != bool(key):
            raise VariableRefused(f"{names[0]} and {names[1]} must be set together")
        if cert:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            try:
                context.load_cert_chain(cert, key, password="")  # and never ask for one
            except (OSError, ssl.SSLError):
                raise VariableRefused(
                    f"{names[0]} and {names[1]} must be a certificate and its key, in PEM: {cert!r}"
                ) from None


def _one_of(*words: str) -> Callable[[str], str | None]:
    said = " or ".join(words)
    return lambda value: None if value.lower() in words else f"must be {said}"


def _all_of(separator: str, *words: str) -> Callable[[str], str | None]:
    def allowed(value: str) -> str | None:
        given = [word.strip().lower() for word in value.split(separator)]
        return (
            None if set(given) <= set(words) else f"may only list {', '.join(filter(None, words))}"
        )

    return allowed


def _whole(least: int) -> Callable[[str], str | None]:
    def allowed(value: str) -> str | None:
        if re.fullmatch(r"[0-9]{1,9}", value) and int(value) >= least:
            return None
        return f"must be a whole number, at least {least}"

    return allowed


def _seconds(value: str) -> str | None:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    return None if isfinite(seconds) and seconds > 0 else "must be a number of seconds above 0"


def _endpoint(value: str) -> str | None:
    wrong = "must be http://HOST:PORT or https://HOST:PORT"
    try:
        found = urlsplit(value)
        port = found.port  # raises ValueError beyond 65535
    except ValueError:
        return wrong
    if found.scheme not in ("http", "https") or not found.hostname or port == 0:
        return wrong
    return None if re.fullmatch(r"[!-~]+", value) else wrong


def _headers(value: str) -> str | None:
    for pair in filter(None, map(str.strip, value.split(","))):
        name, equals, text = pair.partition("=")
        name, text = name.strip().lower(), unquote(text.strip())
        if not (equals and re.fullmatch(r"[a-z0-9_.-]+", name) and re.fullmatch(r"[ -~]*", text)):
            return "must be a list of name=value, percent-encoded"
    return None


def _attributes(value: str) -> str | None:
    for pair in value.split(","):
        name, equals, text = pair.partition("=")
        if not (name.strip() and equals) or re.search(r"%(?![0-9A-Fa-f]{2})", text):
            return "must be a list of name=value, percent-encoded"
    return None


def _authorities(value: str) -> str | None:
    try:
        pem = Path(value).read_text("ascii")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (OSError, ValueError, ssl.SSLError):
        return "must be a file of certificates in PEM"
    return None


def _file(value: str) -> str | None:
    return None if Path(value).is_file() else "must be a file"


def _installed(group: str) -> Callable[[str], str | None]:
    def allowed(value: str) -> str | None:
        names = {found.name for found in entry_points(group=group)}
        missing = {word.strip() for word in value.split(",")} - names
        return "names what is not installed" if missing else None

    return allowed


def _anything(_value: str) -> str | None:
    return None


def _unsupported(_value: str) -> str | None:
    return "is not supported"


def _ratio(value: str) -> str | None:
    try:
        ratio = float(value)
    except ValueError:
        ratio = -1.0
    return None if 0 <= ratio <= 1 else "must be a number from 0 to 1"


SAMPLERS: Final = ("always_on", "always_off", "traceidratio")
_STATUS_CODES: Final = (
    *("cancelled", "unknown", "invalid_argument", "deadline_exceeded", "not_found"),
    *("already_exists", "permission_denied", "resource_exhausted", "failed_precondition"),
    *("aborted", "out_of_range", "unimplemented", "internal", "unavailable", "data_loss"),
    "unauthenticated",
)
_BOOLEAN: Final = _one_of("true", "false")
_OTLP: Final = "OTEL_EXPORTER_OTLP"
_OTLP_VARIABLES: Final[Allowed] = {
    "ENDPOINT": _endpoint,
    "PROTOCOL": _one_of("grpc", "http/protobuf"),
    "TIMEOUT": _seconds,
    "COMPRESSION": _one_of("gzip", "none"),
    "HEADERS": _headers,
    "INSECURE": _BOOLEAN,
    "CERTIFICATE": _authorities,
    "CLIENT_CERTIFICATE": _file,
    "CLIENT_KEY": _file,
}
_OVERRIDDEN: Final = ("ENDPOINT", "PROTOCOL", "TIMEOUT", "COMPRESSION", "HEADERS")
_PROVIDERS: Final = tuple(
    f"OTEL_PYTHON_EXPORTER_OTLP_{protocol}{{}}_CREDENTIAL_PROVIDER" for protocol in ("GRPC", "HTTP")
)
_LIMITS: Final = (
    *(f"OTEL_{kind}ATTRIBUTE_COUNT_LIMIT" for kind in ("", "SPAN_", "EVENT_", "LINK_")),
    *(f"OTEL_{kind}ATTRIBUTE_VALUE_LENGTH_LIMIT" for kind in ("", "SPAN_")),
    *("OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_SPAN_LINK_COUNT_LIMIT"),
)


def _otlp_of(infix: str) -> Allowed:
    """Returns those of both protocols, for all signals, or for the one named."""
    provider = _installed("opentelemetry_otlp_credential_provider")
    return {
        **{f"{_OTLP}{infix}_{name}": allowed for name, allowed in _OTLP_VARIABLES.items()},
        **dict.fromkeys((name.format(infix) for name in _PROVIDERS), provider),
    }


_COMMON: Final[Allowed] = {
    "OTEL_SDK_DISABLED": _BOOLEAN,
    "OTEL_CONFIG_FILE": _unsupported,
    **_otlp_of(""),
    "OTEL_SERVICE_NAME": _anything,
    "OTEL_RESOURCE_ATTRIBUTES": _attributes,
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": _installed("opentelemetry_resource_detector"),
    "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED": _BOOLEAN,
    "OTEL_PYTHON_CONTEXT": _installed("opentelemetry_context"),
    "OTEL_PYTHON_METER_PROVIDER": _installed("opentelemetry_meter_provider"),
    "OTEL_PYTHON_EXPORTER_OTLP_GRPC_RETRYABLE_ERROR_CODES": _all_of(",", *_STATUS_CODES, ""),
}
VARIABLES: Final[Mapping[Signal, Allowed]] = {
    Signal.TRACES: {
        **_COMMON,
        **_otlp_of("_TRACES"),
        "OTEL_TRACES_EXPORTER": _all_of(",", "otlp", "none"),
        "OTEL_TRACES_SAMPLER": _one_of(*SAMPLERS, *(f"parentbased_{name}" for name in SAMPLERS)),
        "OTEL_TRACES_SAMPLER_ARG": _ratio,
        "OTEL_PROPAGATORS": _all_of(",", "tracecontext", "baggage", "none"),
        "OTEL_BSP_SCHEDULE_DELAY": _whole(1),
        "OTEL_BSP_EXPORT_TIMEOUT": _whole(0),
        "OTEL_BSP_MAX_QUEUE_SIZE": _whole(1),
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": _whole(1),
        **dict.fromkeys(_LIMITS, _whole(0)),
        "OTEL_PYTHON_ID_GENERATOR": _installed("opentelemetry_id_generator"),
        "OTEL_PYTHON_TRACER_PROVIDER": _installed("opentelemetry_tracer_provider"),
        "OTEL_PYTHON_TRACER_CONFIGURATOR": _unsupported,
    },
    Signal.METRICS: {
        **_COMMON,
        **_otlp_of("_METRICS"),
        "OTEL_METRICS_EXPORTER": _all_of(",", "otlp", "none"),
        "OTEL_METRIC_EXPORT_INTERVAL": _whole(1),
        "OTEL_METRIC_EXPORT_TIMEOUT": _whole(1),
        "OTEL_METRICS_EXEMPLAR_FILTER": _one_of("trace_based"),
        f"{_OTLP}_METRICS_TEMPORALITY_PREFERENCE": _one_of("cumulative"),
        f"{_OTLP}_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": _one_of("explicit_bucket_histogram"),
        "OTEL_PYTHON_METER_CONFIGURATOR": _unsupported,
    },
}
"""Every variable that the exporters of each signal read, with what returns why a value is
refused."""
