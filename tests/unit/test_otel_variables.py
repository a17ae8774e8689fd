"""The standard variables of OpenTelemetry: whatever their values, a server starts."""

import logging
import os
import re
from importlib.metadata import files
from pathlib import Path

import pytest

from countermand.core.knobs import TelemetryKnobs
from countermand.telemetry.environment import (
    MetricSettings,
    metric_settings_from,
    normalize,
    settings_from,
)
from countermand.telemetry.tracing import Tracing
from countermand.telemetry.variables import VARIABLES, Signal, VariableRefused, check
from tests.support.certificates import Authority

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
GOOD = "http://127.0.0.1:9"
KNOBS = TelemetryKnobs(shutdown_timeout=0.1, abort_timeout=0.1)
PREFIXES = ("OTEL_EXPORTER_OTLP", "OTEL_EXPORTER_OTLP_TRACES", "OTEL_EXPORTER_OTLP_METRICS")
PROVIDERS = [
    f"OTEL_PYTHON_EXPORTER_OTLP_{protocol}{signal}_CREDENTIAL_PROVIDER"
    for protocol in ("GRPC", "HTTP")
    for signal in ("", "_TRACES", "_METRICS")
]
TRACES, METRICS = (set(VARIABLES[signal]) for signal in Signal)
NO_INTEGER = ("x", "-1", "1.5", "1e3", "10s", "1_000", "٣", "9" * 400)
# Values that each variable refuses.
WRONG: dict[str, tuple[str, ...]] = {
    "OTEL_SDK_DISABLED": ("x", "yes", "1"),
    "OTEL_CONFIG_FILE": ("/etc/otel.yaml",),
    "OTEL_TRACES_EXPORTER": ("x", "console", "otlp,console", "otlp,", "zipkin"),
    "OTEL_TRACES_SAMPLER": ("x", "jaeger_remote", "parentbased_", "parentbased_x", "always on"),
    "OTEL_TRACES_SAMPLER_ARG": ("x", "-0.1", "1.1", "nan", "inf", "10%"),
    "OTEL_PROPAGATORS": ("x", "b3", "tracecontext,b3"),
    **{
        f"{prefix}_{name}": values
        for prefix in PREFIXES
        for name, values in {
            "ENDPOINT": (
                *("x", "localhost:4317", "ftp://a:1", "http://", "http://:1", "http://a:65536"),
                *("http://a:x", "http://a:0", "http://a b:1", "unix:///tmp/x", "http://[::1:4"),
            ),
            "PROTOCOL": ("x", "http", "http/json", "grpc,http/protobuf"),
            "TIMEOUT": ("x", "10s", "-1", "0", "nan", "inf", "1,5"),
            "COMPRESSION": ("x", "zstd", "deflate"),
            "HEADERS": ("x", "=x", "a b=c", "a=b\x7f", "a=1,b", "a=%00", "ä=1"),
            "INSECURE": ("x", "1", "yes"),
            "CERTIFICATE": ("/no/such.pem", "/dev/null", "/"),
            "CLIENT_CERTIFICATE": ("/no/such.pem", "/"),
            "CLIENT_KEY": ("/no/such.pem", "/"),
        }.items()
    },
    "OTEL_BSP_SCHEDULE_DELAY": (*NO_INTEGER, "0"),
    "OTEL_BSP_EXPORT_TIMEOUT": NO_INTEGER,
    "OTEL_BSP_MAX_QUEUE_SIZE": (*NO_INTEGER, "0"),
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": (*NO_INTEGER, "0"),
    "OTEL_SERVICE_NAME": (),
    "OTEL_RESOURCE_ATTRIBUTES": ("x", "a=1,b", "a=1,", "=1", "a=%zz", "a=100%"),
    **dict.fromkeys((name for name in sorted(TRACES) if name.endswith("_LIMIT")), NO_INTEGER),
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": ("x", "otel,x"),
    "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED": ("x", "1"),
    "OTEL_PYTHON_CONTEXT": ("x",),
    "OTEL_PYTHON_ID_GENERATOR": ("x",),
    "OTEL_PYTHON_METER_PROVIDER": ("x",),
    "OTEL_PYTHON_TRACER_PROVIDER": ("x",),
    "OTEL_PYTHON_TRACER_CONFIGURATOR": ("x",),
    "OTEL_PYTHON_METER_CONFIGURATOR": ("x",),
    "OTEL_METRICS_EXPORTER": ("x", "console", "prometheus", "otlp,prometheus"),
    "OTEL_METRICS_EXEMPLAR_FILTER": ("x", "always_on", "always_off"),
    "OTEL_METRIC_EXPORT_INTERVAL": (*NO_INTEGER, "0"),
    "OTEL_METRIC_EXPORT_TIMEOUT": (*NO_INTEGER, "0"),
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": ("x", "delta", "lowmemory"),
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": (
        *("x", "base2_exponential_bucket_histogram"),
    ),
    **dict.fromkeys(PROVIDERS, ("x",)),
    "OTEL_PYTHON_EXPORTER_OTLP_GRPC_RETRYABLE_ERROR_CODES": ("x", "OK", "UNAVAILABLE,x"),
}
# What the SDK has besides: for logs, for other senders, and for its own start.
OTHERS = re.compile(
    r"OTEL_(BLRP|LOGS|LOGRECORD|EXPORTER_OTLP_LOGS)_.*"
    r"|OTEL_EXPORTER_(PROMETHEUS|ZIPKIN)_.*|OTEL_LOG_LEVEL"
    r"|OTEL_PYTHON_LOGGER_(PROVIDER|CONFIGURATOR)|OTEL_PYTHON_LOGGING_.*"
    r"|OTEL_PYTHON_EXPORTER_OTLP_(HTTP|GRPC)_LOGS_.*"
)


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_the_table_has_every_variable_that_the_sdk_reads():
    named = set()
    for package in (
        "opentelemetry-sdk",
        "opentelemetry-exporter-otlp-proto-grpc",
        "opentelemetry-exporter-otlp-proto-http",
    ):
        for file in files(package) or []:
            if file.name.endswith(".py"):
                text = Path(str(file.locate())).read_text()
                named |= set(re.findall(r"[\"'](OTEL_[A-Z0-9_]*[A-Z])[\"']", text))
    assert len(named) > 40
    read = {name for name in named if not OTHERS.fullmatch(name)}
    assert read <= TRACES | METRICS
    assert set(WRONG) == TRACES | METRICS


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in WRONG.items() if name in METRICS for value in values],
)
def test_what_is_malformed_or_not_supported_forbids_metrics(name: str, value: str):
    with pytest.raises(VariableRefused, match=rf"^{name} "):
        metric_settings_from({ENDPOINT: GOOD, name: value})
    if not name.endswith("ENDPOINT"):
        assert metric_settings_from({name: value}) is None  # nobody asked for them


def test_no_signal_minds_the_variables_of_the_other():
    assert settings_from({ENDPOINT: GOOD} | dict.fromkeys(METRICS - TRACES, "x"))
    assert metric_settings_from({ENDPOINT: GOOD} | dict.fromkeys(TRACES - METRICS, "x"))


@pytest.mark.parametrize(
    ("environ", "settings"),
    [
        ({}, None),
        ({ENDPOINT: " "}, None),
        ({ENDPOINT: "http://a:1"}, MetricSettings("http://a:1", "grpc", None)),
        (
            {ENDPOINT: "http://a:1", f"{PREFIXES[0]}_PROTOCOL": "HTTP/Protobuf"},
            MetricSettings("http://a:1", "http/protobuf", None),
        ),
        (
            {
                f"{PREFIXES[2]}_ENDPOINT": "http://b:1",
                f"{PREFIXES[0]}_PROTOCOL": "http/protobuf",
                f"{PREFIXES[2]}_PROTOCOL": "grpc",
                "OTEL_METRIC_EXPORT_INTERVAL": " 1500 ",
            },
            MetricSettings("http://b:1", "grpc", 1.5),
        ),
        ({f"{PREFIXES[1]}_ENDPOINT": "http://b:1"}, None),
        ({ENDPOINT: "http://a:1", "OTEL_METRICS_EXPORTER": "none"}, None),
        ({ENDPOINT: "http://a:1", "OTEL_SDK_DISABLED": "true"}, None),
    ],
)
def test_metrics_go_where_the_environment_says(
    environ: dict[str, str], settings: MetricSettings | None
):
    assert metric_settings_from(environ) == settings


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in WRONG.items() if name in TRACES for value in values],
)
def test_what_is_malformed_or_not_supported_costs_the_traces_and_one_line(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv(ENDPOINT, GOOD)
    monkeypatch.setenv(name, value)
    tracing = Tracing.from_environment(KNOBS, service_version="1")
    assert not tracing.records
    (line,) = lines(caplog)
    assert line.startswith(f"traces are off: {name} ")
    assert caplog.records[0].levelno == logging.WARNING
    assert caplog.records[0].exc_info is None
    assert (repr(value) in line) == ("HEADERS" not in name)


@pytest.mark.parametrize("name", sorted(TRACES | METRICS))
def test_an_empty_variable_counts_as_not_set(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", GOOD)
    monkeypatch.setenv(ENDPOINT, GOOD)
    monkeypatch.setenv(name, " " if name == ENDPOINT else "")
    tracing = Tracing.from_environment(KNOBS, service_version="1")
    assert tracing.records
    assert lines(caplog) == []
    tracing.shutdown()


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_BSP_MAX_QUEUE_SIZE": "100"},  # less than is sent together by default
        {"OTEL_BSP_MAX_QUEUE_SIZE": "100", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "100"},
        {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "999999"},
        {"OTEL_EXPORTER_OTLP_COMPRESSION": "none"},
        {"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": " None "},
        {"OTEL_EXPORTER_OTLP_TRACES_INSECURE": " true "},
        {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_EXPORTER_OTLP_TIMEOUT": "2.5"},
        {"OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20b, X-Tenant = shop,"},
        {"OTEL_RESOURCE_ATTRIBUTES": "a=1, b = x%20y"},
        {"OTEL_TRACES_EXPORTER": "OTLP", "OTEL_PROPAGATORS": "tracecontext,baggage"},
        {ENDPOINT: "https://collector.example:4317/x", "OTEL_EXPORTER_OTLP_INSECURE": "False"},
        {ENDPOINT: "http://[::1]:4317"},
        {"OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "otel,process"},
        {"OTEL_PYTHON_EXPORTER_OTLP_GRPC_RETRYABLE_ERROR_CODES": "UNAVAILABLE, aborted"},
    ],
    ids=lambda environ: " ".join(environ.values()),
)
def test_what_can_be_done_is_done_without_a_line(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    for name, value in {ENDPOINT: GOOD, **environ}.items():
        monkeypatch.setenv(name, value)
    tracing = Tracing.from_environment(KNOBS, service_version="1")
    assert tracing.records
    assert lines(caplog) == []
    tracing.shutdown()


@pytest.mark.parametrize("prefix", PREFIXES)
def test_certificates_are_looked_at(prefix: str, tmp_path: Path):
    authority = Authority(tmp_path)
    mine, other = authority.issue("a", "a.example"), authority.issue("b", "b.example")
    names = [f"{prefix}_{name}" for name in ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")]
    files = [str(path) for path in (authority.file, mine.cert, mine.key)]
    signal = Signal.METRICS if prefix.endswith("METRICS") else Signal.TRACES
    check(dict(zip(names, files, strict=True)), signal)
    for wrong in (
        {names[1]: files[1]},
        {names[2]: files[2]},
        {names[1]: files[1], names[2]: str(other.key)},
        {names[1]: files[2], names[2]: files[2]},
        {names[0]: files[2]},
    ):
        with pytest.raises(VariableRefused, match=prefix):
            check(wrong, signal)


@pytest.mark.parametrize("name", ["ENDPOINT", "PROTOCOL", "TIMEOUT", "COMPRESSION", "HEADERS"])
def test_what_is_overridden_for_traces_is_not_read(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    good = {"ENDPOINT": GOOD, "PROTOCOL": "grpc", "TIMEOUT": "1", "HEADERS": "a=b"}
    monkeypatch.setenv(f"{PREFIXES[1]}_ENDPOINT", GOOD)
    monkeypatch.setenv(f"{PREFIXES[0]}_{name}", WRONG[f"{PREFIXES[0]}_{name}"][0])
    monkeypatch.setenv(f"{PREFIXES[1]}_{name}", good.get(name, "none"))
    tracing = Tracing.from_environment(KNOBS, service_version="1")
    assert tracing.records
    assert lines(caplog) == []
    tracing.shutdown()


@pytest.mark.parametrize(
    ("general", "of_signal", "left"),
    [
        ("none", "", None),
        ("gzip", "None", None),
        ("none", "gzip", "gzip"),
        (" gzip", "", "gzip"),
        ("", " ", None),
    ],
)
@pytest.mark.parametrize("signal", Signal)
def test_none_forbids_compression_where_it_is_the_variable_that_counts(
    signal: Signal, general: str, of_signal: str, left: str | None
):
    """The SDK compresses nothing without the variables, and has no value that says so."""
    name = f"OTEL_EXPORTER_OTLP_{signal}_COMPRESSION"
    environ = {"OTEL_EXPORTER_OTLP_COMPRESSION": general, name: of_signal}
    for _ in range(2):  # once for each signal that is sent
        normalize(environ)
        assert environ.get(name) == left
        assert "OTEL_EXPORTER_OTLP_COMPRESSION" not in environ


def test_a_batch_above_its_queue_is_refused():
    both = {"OTEL_BSP_MAX_QUEUE_SIZE": "100", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "101"}
    with pytest.raises(VariableRefused, match="is above OTEL_BSP_MAX_QUEUE_SIZE"):
        check(both, Signal.TRACES)
    check(both, Signal.METRICS)


def test_what_only_the_sdk_finds_wrong_costs_the_traces_and_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """As another version of it may."""
    from countermand.telemetry import export

    def refuse(**_given: object) -> None:
        raise KeyError("OTEL_NEW")

    monkeypatch.setattr(export, "OTLPSpanExporter", refuse)
    monkeypatch.setenv(ENDPOINT, GOOD)
    assert not Tracing.from_environment(KNOBS, service_version="1").records
    assert lines(caplog) == ["traces are off: KeyError: 'OTEL_NEW'"]
