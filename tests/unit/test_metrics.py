"""What is counted, and how it is shown to who reads it."""

from time import perf_counter

import pytest
from prometheus_client import CollectorRegistry

from countermand.core.trace import TraceContext
from countermand.telemetry.histograms import Histogram
from countermand.telemetry.instrument import Instrument, Kind
from countermand.telemetry.instruments import COMMIT_DURATION
from countermand.telemetry.measures import OTHER, Measures
from countermand.telemetry.metrics import Metrics
from tests.support.scrape import OPENMETRICS, parsed

TRACE = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", True)
UNSAMPLED = TraceContext("1" * 32, "2" * 16, False)
METHOD = "countermand.v1.CancellationService/CancelTask"
SIZES = Instrument(
    kind=Kind.HISTOGRAM, name="a.size", unit="By", help="A.", labels=("b.c",), buckets=(1.0, 2.5)
)


@pytest.mark.parametrize(
    ("value", "reached"),
    [(-1, [1, 1, 1]), (0, [1, 1, 1]), (1, [1, 1, 1]), (1.1, [0, 1, 1]), (2.6, [0, 0, 1])],
)
def test_a_value_is_in_the_buckets_whose_bound_it_does_not_exceed(value: float, reached: list[int]):
    histogram = Histogram(SIZES, CollectorRegistry())
    histogram.labels("x").observe(value)
    [family] = histogram.collect()
    shown = [(sample.name, dict(sample.labels), sample.value) for sample in family.samples]
    bounds = ("1.0", "2.5", "+Inf")
    assert shown == [
        *(
            ("a_size_bytes_bucket", {"b_c": "x", "le": bound}, count)
            for bound, count in zip(bounds, reached, strict=True)
        ),
        ("a_size_bytes_count", {"b_c": "x"}, 1),
        ("a_size_bytes_sum", {"b_c": "x"}, value),
    ]


def test_the_last_sampled_call_of_a_bucket_is_its_exemplar():
    metrics = Metrics()
    measure = metrics.of_method(METHOD)
    for trace in (UNSAMPLED, TRACE, UNSAMPLED):
        measure.ended("OK", perf_counter() - 0.003, trace)
    text, _ = metrics.render(OPENMETRICS)
    (line,) = [line for line in text.decode().splitlines() if " # {" in line]
    assert 'le="0.005"' in line
    assert f'trace_id="{TRACE.trace_id}"' in line
    assert f'span_id="{TRACE.span_id}"' in line
    name = "rpc_server_call_duration_seconds_count"
    assert parsed(text.decode(), of_openmetrics=True)[name] == 3
    assert b"trace_id" not in metrics.render("")[0]


@pytest.mark.parametrize(
    ("status", "error"),
    [("OK", ""), ("NOT_FOUND", ""), ("INTERNAL", "INTERNAL"), ("UNAVAILABLE", "UNAVAILABLE")],
)
def test_only_what_is_the_server_s_fault_is_an_error(status: str, error: str):
    metrics = Metrics()
    metrics.of_method(METHOD).ended(status, perf_counter())
    found = parsed(metrics.render("")[0].decode())
    labels = {"rpc_method": METHOD, "rpc_status_code": status, "error_type": error}
    assert found.of("rpc_server_call_duration_seconds_count", **labels) == 1


def test_strangers_and_a_method_have_their_series_before_the_first_call():
    metrics = Metrics()
    metrics.of_method(METHOD)
    strangers = metrics.of_method(OTHER)
    before = parsed(metrics.render("")[0].decode()).values.keys()
    metrics.of_method(METHOD).ended("OK", perf_counter())
    for status in ("UNAUTHENTICATED", "RESOURCE_EXHAUSTED", "UNIMPLEMENTED", "UNAVAILABLE"):
        strangers.ended(status, perf_counter())
    assert parsed(metrics.render("")[0].decode()).values.keys() == before


def test_without_metrics_the_same_calls_do_nothing():
    measures = Measures()
    measures.of_method(METHOD).ended("OK", perf_counter(), TRACE)
    measures.refused("RATE_LIMITED")
    measures.watch_opened()
    measures.watch_ended("OK")


def test_the_time_of_a_commit_is_measured_at_the_bound_at_which_leases_are_renewed():
    assert 0.33 in COMMIT_DURATION.buckets
