"""Traces: which calls are recorded, and what their spans say."""

import asyncio
import os
import re
import socket
import subprocess
import sys
import threading
import time

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio, TraceIdRatioBased
from opentelemetry.trace import SpanKind, StatusCode, TraceState

from countermand.core.knobs import Knobs, TelemetryKnobs
from countermand.core.trace import TraceContext
from countermand.telemetry import conventions
from countermand.telemetry.environment import settings_from
from countermand.telemetry.export import SdkRecorder, service_resource
from countermand.telemetry.sampling import NEVER, Sampler
from countermand.telemetry.traceparent import (
    format_traceparent,
    kept_tracestate,
    parse_traceparent,
    parse_tracestate,
)
from countermand.telemetry.tracing import Tracing
from tests.support.otlp import otlp_collector

METHOD = "countermand.v1.CancellationService/CancelTask"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE}-{SPAN}-01"
UNSAMPLED = f"00-{TRACE}-{SPAN}-00"
ALWAYS = Sampler(1.0)
NOT_NEW = Sampler(0.0)
STORED = TraceContext(TRACE, SPAN, True)
STORED_UNSAMPLED = TraceContext(TRACE, SPAN, False)

KNOBS = TelemetryKnobs(shutdown_timeout=10.0)  # a busy machine needs it to send


class Memory:
    """Tracing that keeps the spans of the SDK here."""

    def __init__(self, sampler=ALWAYS):
        self.exporter = InMemorySpanExporter()
        recorder = SdkRecorder(
            SimpleSpanProcessor(self.exporter), self.exporter, service_resource("1.2.3"), KNOBS
        )
        self.tracing = Tracing(KNOBS, recorder, sampler)

    @property
    def spans(self):
        return self.exporter.get_finished_spans()


class Forbidden:
    """A recorder that nothing may reach."""

    def record(self, span):
        raise AssertionError(f"recorded {span}")

    def leave(self):
        raise AssertionError("not ours to send")

    def shutdown(self, timeout):
        raise AssertionError("not ours to end")


@pytest.fixture
def memory():
    return Memory()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)


def ids(context):
    """Trace and span id of one of the SDK's contexts, as text."""
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (SAMPLED, True),
        (UNSAMPLED, False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"00-{TRACE}-{SPAN}-fe", False),
        (f"00-{TRACE}-{SPAN}-ff", True),
        (f"01-{TRACE}-{SPAN}-01", True),
        (f"01-{TRACE}-{SPAN}-01-more-of-it", True),
        (f"fe-{TRACE}-{SPAN}-00-", False),
    ],
)
def test_a_valid_traceparent_is_read(header, sampled):
    assert parse_traceparent(header) == TraceContext(TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-011",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01-",
        f"01-{TRACE}-{SPAN}-01more",
        f"ff-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN.upper()}-01",
        f"0A-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0A",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}0-01",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        f"00-{'٣' * 32}-{SPAN}-01",
        f"00_{TRACE}_{SPAN}_01",
        f" {SAMPLED}",
        f"{SAMPLED}\n",
        f"{SAMPLED},{SAMPLED}",
    ],
)
def test_an_invalid_traceparent_is_passed_over(header):
    assert parse_traceparent(header) is None
    call = Tracing(KNOBS).start_call(METHOD, header)
    assert call.context.trace_id != TRACE


MEMBERS = [f"k{number}=v" for number in range(33)]


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        ("", ""),
        ("a=1", "a=1"),
        ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        (" a=1 ,\tb=2,,c=3, ", "a=1,b=2,c=3"),
        ("tenant@system=1", "tenant@system=1"),
        ("1tenant@system=1", "1tenant@system=1"),
        ("a-b_c*d/e=x y!", "a-b_c*d/e=x y!"),
        ("a=1,A=2", ""),
        ("a=1,a=2", ""),
        ("a", ""),
        ("=1", ""),
        ("a=", ""),
        ("a=b=c", ""),
        ("1a=2", ""),
        ("a=\x7f", ""),
        ("a=é", ""),
        ("a@1=2", ""),
        (",".join(MEMBERS[:32]), ",".join(MEMBERS[:32])),
        (",".join(MEMBERS), ""),
        (f"a={'x' * 256}", f"a={'x' * 256}"),
        (f"a={'x' * 257}", ""),
        (f"a={'x' * 256},b={'y' * 251}", f"a={'x' * 256},b={'y' * 251}"),
        (f"a={'x' * 256},b={'y' * 252}", f"a={'x' * 256}"),
    ],
)
def test_a_tracestate_is_kept_as_it_came_or_counts_as_not_sent(header, kept):
    assert kept_tracestate(header) == kept
    sdk = TraceState.from_header([header])
    if kept and len(header) < 512:
        assert sdk == TraceState(parse_tracestate(header))


def test_the_tracestate_of_a_sampled_call_is_in_all_of_its_spans(memory):
    state = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
    call = memory.tracing.start_call(METHOD, SAMPLED, state)
    assert call.context.state == state
    call.end("OK")
    memory.tracing.record_story(call.context, "later", start_ns=1, end_ns=2, attributes={})
    memory.tracing.record_commit(
        start_ns=1, end_ns=2, requests=[call.context], commands=1, events=1, store="sqlite"
    )
    server, story, commit = memory.spans
    for context in (server.context, server.parent, story.context, story.parent):
        assert context.trace_state.to_header() == state
    assert commit.links[0].context.trace_state.to_header() == state
    assert not commit.context.trace_state  # it is of another trace


@pytest.mark.parametrize(
    ("traceparent", "state"),
    [(UNSAMPLED, "a=1"), (None, "a=1"), ("junk", "a=1"), (SAMPLED, "junk"), (SAMPLED, None)],
)
def test_a_tracestate_without_a_sampled_trace_that_is_valid_is_not_kept(memory, traceparent, state):
    call = memory.tracing.start_call(METHOD, traceparent, state)
    assert call.context.state == ""
    call.end("OK")
    assert not any(span.context.trace_state for span in memory.spans)


@pytest.mark.parametrize("context", [STORED, STORED_UNSAMPLED])
def test_a_traceparent_is_written_as_it_is_read(context):
    assert parse_traceparent(format_traceparent(context)) == context


@pytest.mark.parametrize("tracing", [Tracing(KNOBS), Tracing(KNOBS, Forbidden(), NOT_NEW)])
@pytest.mark.parametrize("header", [None, UNSAMPLED, "nonsense"])
def test_an_unsampled_call_reaches_no_recorder(tracing, header):
    call = tracing.start_call(METHOD, header)
    call.watch_opened(peer="ipv4:127.0.0.1:1")
    call.watch_closed("OK", messages=1)
    call.end("INTERNAL", "ValueError", peer="ipv4:127.0.0.1:1", tenant="a")
    assert not call.context.sampled
    tracing.record_story(call.context, "later", start_ns=1, end_ns=2, attributes={})
    tracing.record_commit(
        start_ns=1, end_ns=2, requests=[call.context] * 3, commands=3, events=3, store="sqlite"
    )


def test_without_an_endpoint_the_sdk_is_not_even_loaded():
    program = (
        "import sys; from countermand.telemetry.tracing import Tracing;"
        "from countermand.core.knobs import Knobs, TelemetryKnobs as Knobs;"
        "tracing = Tracing.from_environment(Knobs(), service_version='1');"
        "call = tracing.start_call('a/B', sys.argv[1]);"
        "call.end('OK'); assert not call.context.sampled;"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    subprocess.run([sys.executable, "-c", program, SAMPLED], check=True, timeout=30)


def test_off_nothing_is_recorded_even_of_a_sampled_story():
    tracing = Tracing(KNOBS)
    tracing.record_story(STORED, "later", start_ns=1, end_ns=2, attributes={})
    tracing.record_commit(
        start_ns=1, end_ns=2, requests=[STORED], commands=1, events=1, store="sqlite"
    )
    tracing.shutdown()


@pytest.mark.parametrize("sampler", [ALWAYS, NOT_NEW])
def test_every_call_has_ids_of_its_own(sampler):
    tracing = Memory(sampler).tracing
    contexts = [tracing.start_call(METHOD, None).context for _ in range(1000)]
    assert len({context.trace_id for context in contexts}) == 1000
    assert len({context.span_id for context in contexts}) == 1000
    for context in contexts:
        assert re.fullmatch("[0-9a-f]{32}", context.trace_id)
        assert re.fullmatch("[0-9a-f]{16}", context.span_id)


@pytest.mark.parametrize("header", [SAMPLED, UNSAMPLED])
def test_a_call_goes_on_with_the_trace_of_its_caller(memory, header):
    context = memory.tracing.start_call(METHOD, header).context
    assert context.trace_id == TRACE
    assert context.span_id != SPAN
    assert context.sampled == (header == SAMPLED)


def test_a_sampled_call_is_a_server_span_by_the_conventions(memory):
    before = time.time_ns()
    call = memory.tracing.start_call(METHOD, SAMPLED)
    call.end("OK", peer="ipv4:192.0.2.7:50051", tenant="acme")
    [span] = memory.spans
    assert span.name == METHOD
    assert span.kind is SpanKind.SERVER
    assert ids(span.context) == (TRACE, call.context.span_id)
    assert span.context.trace_flags.sampled
    assert not span.context.is_remote
    assert ids(span.parent) == (TRACE, SPAN)
    assert span.parent.is_remote
    assert span.status.status_code is StatusCode.UNSET
    assert before <= span.start_time <= span.end_time <= time.time_ns()
    assert dict(span.attributes) == {
        "rpc.system.name": "grpc",
        "rpc.method": METHOD,
        "rpc.status_code": "OK",
        "network.peer.address": "192.0.2.7",
        "network.peer.port": 50051,
        "countermand.tenant": "acme",
    }
    assert span.instrumentation_scope.version == "1.2.3"


def test_a_trace_that_starts_here_has_no_parent(memory):
    call = memory.tracing.start_call(METHOD, None)
    call.end("OK")
    [span] = memory.spans
    assert span.parent is None
    assert ids(span.context) == (call.context.trace_id, call.context.span_id)


@pytest.mark.parametrize("code", sorted(conventions.SERVER_FAULTS))
def test_a_fault_of_the_server_fails_its_span(memory, code):
    memory.tracing.start_call(METHOD, None).end(code)
    memory.tracing.start_call(METHOD, None).end(code, "ValueError")
    plain, named = memory.spans
    assert plain.status.status_code is named.status.status_code is StatusCode.ERROR
    assert plain.attributes["rpc.status_code"] == code
    assert plain.attributes["error.type"] == code
    assert named.attributes["error.type"] == "ValueError"


@pytest.mark.parametrize("code", ["NOT_FOUND", "FAILED_PRECONDITION", "CANCELLED", "ABORTED"])
def test_a_refusal_does_not_fail_the_span_of_the_server(memory, code):
    memory.tracing.start_call(METHOD, None).end(code)
    memory.tracing.start_call(METHOD, None).end(code, "TASK_NOT_FOUND")
    plain, named = memory.spans
    assert plain.status.status_code is named.status.status_code is StatusCode.UNSET
    assert plain.attributes["rpc.status_code"] == code
    assert "error.type" not in plain.attributes
    assert named.attributes["error.type"] == "TASK_NOT_FOUND"


def test_only_the_first_end_counts(memory):
    call = memory.tracing.start_call(METHOD, None)
    call.end("NOT_FOUND")
    call.end("INTERNAL")
    call.watch_opened()
    assert [span.attributes["rpc.status_code"] for span in memory.spans] == ["NOT_FOUND"]


def test_a_clock_set_back_makes_no_negative_span(memory, monkeypatch):
    call = memory.tracing.start_call(METHOD, None)
    monkeypatch.setattr(time, "time_ns", lambda: 5)
    call.end("OK")
    [span] = memory.spans
    assert span.start_time == span.end_time


@pytest.mark.parametrize(
    ("peer", "address", "port"),
    [
        ("ipv4:127.0.0.1:50051", "127.0.0.1", 50051),
        ("ipv6:%5B::1%5D:50051", "::1", 50051),
        ("ipv6:[2001:db8::2]:1", "2001:db8::2", 1),
        ("unix:/run/countermand.sock", "unix:/run/countermand.sock", None),
        ("ipv4:", "ipv4:", None),
        ("", "", None),
    ],
)
def test_a_peer_is_split_into_address_and_port(peer, address, port):
    expected = {"network.peer.address": address} | ({"network.peer.port": port} if port else {})
    assert conventions.peer_attributes(peer) == expected


def test_a_watch_is_a_short_span_at_open_and_one_at_close(memory):
    call = memory.tracing.start_call(METHOD, SAMPLED)
    call.watch_opened(peer="ipv4:127.0.0.1:1")
    [opened] = memory.spans
    assert ids(opened.context) == (TRACE, call.context.span_id)
    assert ids(opened.parent) == (TRACE, SPAN)
    assert (opened.name, opened.kind) == (METHOD, SpanKind.SERVER)
    assert opened.attributes["countermand.watch.phase"] == "open"
    assert "rpc.status_code" not in opened.attributes

    call.watch_closed("UNAVAILABLE", messages=7, reason="DRAINING")
    _, closed = memory.spans
    assert closed.name == "countermand.watch.close"
    assert ids(closed.parent) == ids(opened.context)
    assert not closed.parent.is_remote
    assert closed.start_time == closed.end_time
    assert closed.status.status_code is StatusCode.ERROR
    attributes = dict(closed.attributes)
    assert attributes.pop("countermand.watch.seconds") >= 0
    assert attributes == {
        "rpc.method": METHOD,
        "countermand.watch.phase": "close",
        "countermand.watch.messages": 7,
        "rpc.status_code": "UNAVAILABLE",
        "error.type": "UNAVAILABLE",
        "countermand.reason": "DRAINING",
    }


def test_a_commit_links_to_the_sampled_requests_in_it(memory):
    requests = [TraceContext(TRACE, f"{n:016x}", n % 2 == 0) for n in range(1, 7)]
    memory.tracing.record_commit(
        start_ns=10, end_ns=20, requests=requests, commands=6, events=9, store="sqlite"
    )
    [span] = memory.spans
    assert (span.name, span.kind, span.parent) == ("countermand.commit", SpanKind.INTERNAL, None)
    assert (span.start_time, span.end_time) == (10, 20)
    assert [ids(link.context) for link in span.links] == [(TRACE, f"{n:016x}") for n in (2, 4, 6)]
    assert dict(span.attributes) == {
        "countermand.commit.commands": 6,
        "countermand.commit.events": 9,
        "countermand.commit.sampled_requests": 3,
        "countermand.commit.store": "sqlite",
    }


def test_a_commit_without_a_sampled_request_is_not_recorded(memory):
    memory.tracing.record_commit(
        start_ns=1, end_ns=2, requests=[STORED_UNSAMPLED], commands=1, events=1, store="sqlite"
    )
    assert memory.spans == ()


def test_links_end_at_128(memory):
    requests = [TraceContext(TRACE, f"{n:016x}", True) for n in range(1, 1001)]
    memory.tracing.record_commit(
        start_ns=1, end_ns=2, requests=requests, commands=1000, events=1000, store="sqlite"
    )
    memory.tracing.record_story(
        STORED, "later", start_ns=1, end_ns=2, attributes={}, links=requests
    )
    commit, story = memory.spans
    assert KNOBS.max_links == len(commit.links) == len(story.links) == 128
    assert commit.attributes["countermand.commit.sampled_requests"] == 1000


def test_a_story_is_a_child_of_the_stored_span(memory):
    memory.tracing.record_story(
        STORED,
        "countermand.task.acknowledged",
        start_ns=10,
        end_ns=20,
        attributes={"countermand.agent": "a"},
        links=[TraceContext("1" * 32, "2" * 16, True)],
    )
    [span] = memory.spans
    assert span.name == "countermand.task.acknowledged"
    assert span.kind is SpanKind.INTERNAL
    assert ids(span.parent) == (TRACE, SPAN)
    assert span.parent.is_remote
    trace_id, span_id = ids(span.context)
    assert trace_id == TRACE
    assert span_id != SPAN
    assert (span.start_time, span.end_time) == (10, 20)
    assert span.attributes == {"countermand.agent": "a"}
    assert [ids(link.context) for link in span.links] == [("1" * 32, "2" * 16)]


def test_a_story_of_an_unsampled_call_is_not_recorded(memory):
    memory.tracing.record_story(STORED_UNSAMPLED, "later", start_ns=1, end_ns=2, attributes={})
    assert memory.spans == ()


ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"


@pytest.mark.parametrize(
    ("environ", "endpoint"),
    [
        ({}, None),
        ({ENDPOINT: " "}, None),
        ({ENDPOINT: "http://a:1"}, "http://a:1"),
        ({TRACES_ENDPOINT: "http://b:1"}, "http://b:1"),
        ({ENDPOINT: "http://a:1", TRACES_ENDPOINT: "http://b:1"}, "http://b:1"),
        ({ENDPOINT: "http://a:1", "OTEL_SDK_DISABLED": "True"}, None),
        ({ENDPOINT: "http://a:1", "OTEL_SDK_DISABLED": "false"}, "http://a:1"),
        ({ENDPOINT: "http://a:1", "OTEL_TRACES_EXPORTER": "none"}, None),
        ({ENDPOINT: "http://a:1", "OTEL_TRACES_EXPORTER": "otlp"}, "http://a:1"),
        ({ENDPOINT: "http://a:1", "OTEL_TRACES_SAMPLER": "always_off"}, None),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, None),
        ({"OTEL_TRACES_SAMPLER": "bogus"}, None),  # nobody asked for traces
    ],
)
def test_traces_are_on_only_with_an_endpoint(environ, endpoint):
    settings = settings_from(environ)
    assert (settings and settings.endpoint) == endpoint


@pytest.mark.parametrize(
    ("name", "ratio", "sampler"),
    [
        (None, None, Sampler(0.1)),
        (None, "0.5", Sampler(0.5)),
        ("", "", Sampler(0.1)),
        ("always_on", None, Sampler(1.0, parent_based=False)),
        ("traceidratio", "0.25", Sampler(0.25, parent_based=False)),
        ("traceidratio", None, Sampler(1.0, parent_based=False)),
        ("parentbased_always_on", None, Sampler(1.0)),
        ("parentbased_always_on", "0.2", Sampler(1.0)),
        ("parentbased_always_off", None, Sampler(0.0)),
        ("parentbased_traceidratio", "0.01", Sampler(0.01)),
        ("ParentBased_TraceIdRatio", " 1 ", Sampler(1.0)),
    ],
)
def test_the_sampler_is_what_the_environment_names(name, ratio, sampler):
    given = {"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": ratio}
    given = {key: value for key, value in given.items() if value is not None}
    settings = settings_from({ENDPOINT: "http://a:1", **given})
    assert settings is not None
    assert settings.sampler == sampler


@pytest.mark.parametrize(
    ("sampler", "without", "with_sampled", "with_unsampled"),
    [
        (Sampler(1.0), True, True, False),
        (Sampler(0.0), False, True, False),
        (Sampler(1.0, parent_based=False), True, True, True),
        (NEVER, False, False, False),
    ],
)
def test_who_decides_whether_a_call_is_sampled(sampler, without, with_sampled, with_unsampled):
    tracing = Memory(sampler).tracing
    headers = (None, SAMPLED, UNSAMPLED)
    decided = tuple(tracing.start_call(METHOD, header).context.sampled for header in headers)
    assert decided == (without, with_sampled, with_unsampled)


@pytest.mark.parametrize("ratio", [0.0, 0.001, 0.1, 0.5, 1.0])
def test_a_ratio_chooses_the_traces_that_the_sdk_would_choose(ratio):
    tracing = Memory(Sampler(ratio)).tracing
    ours = Sampler(ratio, parent_based=False)
    root = ParentBasedTraceIdRatio(ratio)
    for _ in range(2000):
        context = tracing.start_call(METHOD, None).context
        number = int(context.trace_id, 16)
        assert root.should_sample(None, number, METHOD).decision.is_sampled() == context.sampled
        expected = TraceIdRatioBased(ratio).should_sample(None, number, METHOD)
        assert ours.samples_from(context) == expected.decision.is_sampled()


def test_always_off_starts_no_exporter(monkeypatch):
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    before = threading.active_count()
    tracing = Tracing.from_environment(KNOBS, service_version="1")
    assert not tracing.start_call("a/B", SAMPLED).context.sampled
    assert threading.active_count() == before


class Gate(SpanExporter):
    """Holds every export until it is opened, and counts."""

    def __init__(self):
        self.open = threading.Event()
        self.entered = threading.Event()
        self.count = 0

    def export(self, spans):
        self.entered.set()
        self.open.wait(30)
        self.count += len(spans)
        return SpanExportResult.SUCCESS

    def shutdown(self):
        self.open.set()


@pytest.mark.parametrize(("size", "kept"), [(None, 1000), ("600", 600), ("512", 512)])
def test_the_queue_holds_what_a_slow_collector_leaves(monkeypatch, size, kept):
    if size:
        monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", size)
    gate = Gate()
    knobs = TelemetryKnobs(max_queue=1000, shutdown_timeout=10.0)
    recorder = SdkRecorder.batching(gate, service_resource("1"), knobs)
    tracing = Tracing(knobs, recorder, ALWAYS)
    batch = 512
    for _ in range(batch):
        tracing.start_call(METHOD, None).end("OK")
    assert gate.entered.wait(10)
    for _ in range(kept + 100):
        tracing.start_call(METHOD, None).end("OK")
    gate.open.set()
    tracing.shutdown()
    assert gate.count == batch + kept


def test_after_shutdown_nothing_is_sampled(memory):
    late = memory.tracing.start_call(METHOD, None)
    memory.tracing.shutdown()
    memory.tracing.shutdown()
    late.end("OK")
    assert not memory.tracing.start_call(METHOD, SAMPLED).context.sampled
    memory.tracing.record_story(STORED, "later", start_ns=1, end_ns=2, attributes={})


async def test_spans_reach_a_collector(monkeypatch):
    async with otlp_collector() as collector:
        monkeypatch.setenv(ENDPOINT, collector.endpoint)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=ours")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
        tracing = Tracing.from_environment(KNOBS, service_version="1.2.3")
        tracing.start_call(METHOD, None).end("OK")
        call = tracing.start_call(METHOD, SAMPLED)
        tracing.record_commit(
            start_ns=1, end_ns=2, requests=[call.context], commands=1, events=1, store="sqlite"
        )
        call.end("INTERNAL", peer="ipv6:%5B::1%5D:2")
        spans = await collector.wait_for(lambda spans: len(spans) == 2)
        tracing.record_story(call.context, "later", start_ns=3, end_ns=4, attributes={"n": 1})
        # Blocks the loop: the collector answers from threads of its own.
        tracing.shutdown()
        assert [span.name for span in collector.spans] == ["countermand.commit", METHOD, "later"]
        [story] = collector.named("later")

    commit, server = spans
    assert commit.links == [(TRACE, call.context.span_id)]
    assert commit.parent_id == ""
    assert (server.trace_id, server.span_id) == (TRACE, call.context.span_id)
    assert (server.parent_id, server.kind, server.status) == (SPAN, "SERVER", "ERROR")
    assert server.attributes["rpc.status_code"] == "INTERNAL"
    assert server.attributes["network.peer.port"] == 2
    assert server.scope == "countermand 1.2.3"
    assert server.schema_url == conventions.SCHEMA_URL
    assert (
        server.resource.items()
        >= {"service.name": "countermand", "service.version": "1.2.3"}.items()
    )
    assert (story.trace_id, story.parent_id) == (TRACE, call.context.span_id)
    assert (story.start_ns, story.end_ns, story.attributes) == (3, 4, {"n": 1})
    assert {metadata["x-tenant"] for metadata in collector.metadata} == {"ours"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (
            {},
            {"service.name": "countermand", "service.version": "1", "service.instance.id": "a"},
        ),
        ({"OTEL_SERVICE_NAME": "ours"}, {"service.name": "ours"}),
        (
            {"OTEL_RESOURCE_ATTRIBUTES": "service.name=theirs,host.name=h"},
            {"service.name": "theirs", "host.name": "h"},
        ),
    ],
)
def test_the_resource_is_what_the_environment_names(monkeypatch, environ, expected):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert service_resource("1", "a").attributes.items() >= expected.items()


@pytest.fixture(params=["refuses", "never answers"])
def dead_endpoint(request):
    """An endpoint where nobody takes spans, although someone may listen."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        if request.param == "never answers":
            listening.listen()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


async def test_a_dead_collector_costs_only_its_spans(monkeypatch, dead_endpoint):
    monkeypatch.setenv(ENDPOINT, dead_endpoint)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
    knobs = TelemetryKnobs(shutdown_timeout=0.2)
    tracing = Tracing.from_environment(knobs, service_version="1")
    calls = knobs.max_queue + 4000
    start = time.perf_counter()
    slowest = 0.0
    for _ in range(calls):
        before = time.perf_counter()
        tracing.start_call(METHOD, None).end("OK")
        slowest = max(slowest, time.perf_counter() - before)
    each = (time.perf_counter() - start) / calls
    # Generous for a busy machine, and far below what one wait for the network takes.
    assert each < 500e-6
    assert slowest < 1

    start = time.perf_counter()
    await asyncio.to_thread(tracing.shutdown)
    assert time.perf_counter() - start < 3


def test_a_server_that_owes_nobody_anything_is_gone_within_a_second_whatever_collectors_do():
    knobs = Knobs()
    sending = knobs.telemetry.shutdown_timeout + 2 * knobs.telemetry.abort_timeout
    assert knobs.server.max_goodbye + knobs.server.disconnect_timeout + sending < 1
