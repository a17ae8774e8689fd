"""How a client is set up: from the environment, with metadata and interceptors, in a trace."""

import asyncio
import subprocess
import sys

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from countermand.client import Client
from countermand.client.environment import read_environment
from countermand.client.sync import Client as SyncClient
from countermand.v1 import task_service_pb2 as tasks
from tests.unit.test_client_calls import TASK_ID

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Metadata(grpc.GenericRpcHandler):
    """Answers every call and stream with nothing, and keeps their metadata."""

    def __init__(self) -> None:
        self.seen: list[list[tuple[str, str | bytes]]] = []

    def service(self, details):
        self.seen.append(list(details.invocation_metadata))
        if "Watch" in details.method:

            async def stream(_: bytes, context: grpc.aio.ServicerContext):
                yield b"\x08\x01\x18\x01"  # a SNAPSHOT, and the last

            return grpc.unary_stream_rpc_method_handler(stream)

        async def answer(_: bytes, context: grpc.aio.ServicerContext) -> bytes:
            return tasks.GetTaskResponse().SerializeToString()

        return grpc.unary_unary_rpc_method_handler(answer)

    def values(self, key: str) -> list[list[str | bytes]]:
        return [[value for name, value in each if name == key] for each in self.seen]


async def used(how: str, heard: Metadata, **options) -> None:
    """Has a client make a call and open a watch."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([heard])
    target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        if how == "async":
            async with Client(target, "the-key", **options) as client:
                await client.get_task(TASK_ID)
                assert len([message async for message in client.watch_task(TASK_ID)]) == 1
            return

        def use() -> None:
            with SyncClient(target, "the-key", **options) as client:
                client.get_task(TASK_ID)
                assert len(list(client.watch_task(TASK_ID))) == 1

        await asyncio.to_thread(use)
    finally:
        await server.stop(None)


FLAVOURS = pytest.mark.parametrize("how", ["async", "sync"])


@FLAVOURS
async def test_own_metadata_goes_along_with_each_call_and_watch(how: str) -> None:
    heard = Metadata()
    await used(how, heard, metadata=[("x-team", "carts"), ("x-raw-bin", b"\x00\xff")])
    assert heard.values("x-team") == [["carts"]] * 2
    assert heard.values("x-raw-bin") == [[b"\x00\xff"]] * 2
    assert heard.values("x-api-key") == [["the-key"]] * 2


@pytest.mark.parametrize(
    "item",
    [
        ("X-Team", "a"),
        ("grpc-timeout", "1S"),
        ("", "a"),
        ("a b", "c"),
        ("a", "\n"),
        ("a", "ключ"),
        ("a-bin", "text"),
        ("a", b"bytes"),
    ],
)
def test_metadata_that_no_header_can_carry_is_refused_at_once(item) -> None:
    with pytest.raises(ValueError, match=r"metadata|value"):
        Client("h:1", "k", metadata=[item])


class Marking:
    def __init__(self, seen: list[str]) -> None:
        self.seen = seen


class MarkingCalls(Marking, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation, client_call_details, request):
        self.seen.append("call")
        return await continuation(client_call_details, request)


class MarkingWatches(Marking, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(self, continuation, client_call_details, request):
        self.seen.append("watch")
        return await continuation(client_call_details, request)


@FLAVOURS
async def test_own_interceptors_stand_around_each_call_and_watch(how: str) -> None:
    seen: list[str] = []
    await used(how, Metadata(), interceptors=[MarkingCalls(seen), MarkingWatches(seen)])
    assert seen == ["call", "watch"]


def in_a_trace(state: str = "vendor=1") -> trace.SpanContext:
    return trace.SpanContext(
        trace_id=int(TRACEPARENT[3:35], 16),
        span_id=int(TRACEPARENT[36:52], 16),
        is_remote=False,
        trace_flags=trace.TraceFlags(1),
        trace_state=trace.TraceState.from_header([state]),
    )


@FLAVOURS
async def test_the_caller_s_trace_goes_along(how: str) -> None:
    heard = Metadata()
    with trace.use_span(trace.NonRecordingSpan(in_a_trace())):
        await used(how, heard)
    assert heard.values("traceparent") == [[TRACEPARENT]] * 2
    assert heard.values("tracestate") == [["vendor=1"]] * 2


@FLAVOURS
async def test_a_trace_that_the_caller_names_stands_above_it(how: str) -> None:
    heard = Metadata()
    own = TRACEPARENT.replace("b7", "a1")
    with TracerProvider().get_tracer("test").start_as_current_span("outer"):
        await used(how, heard, metadata=[("traceparent", own)])
    assert heard.values("traceparent") == [[own]] * 2


@FLAVOURS
async def test_without_a_span_no_trace_goes_along(how: str) -> None:
    heard = Metadata()
    await used(how, heard)
    assert heard.values("traceparent") == [[], []]


def test_a_program_without_opentelemetry_never_imports_it() -> None:
    program = (
        "import asyncio, sys\n"
        "from countermand.client import Client\n"
        "async def main():\n"
        "    async with Client('127.0.0.1:1', 'k', timeout=0.05) as client:\n"
        "        try: await client.get_task('t')\n"
        "        except Exception as error: print(type(error).__name__)\n"
        "asyncio.run(main())\n"
        "import countermand.client.sync\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'typer'))])"
    )
    words = [sys.executable, "-c", program]
    said = subprocess.run(words, capture_output=True, text=True, check=True, timeout=30).stdout
    assert said.splitlines() == ["CountermandError", "[]"]


def test_the_environment_says_how_to_reach_a_server(monkeypatch, tmp_path) -> None:
    for kind in (Client, SyncClient):
        monkeypatch.delenv("COUNTERMAND_SERVER", raising=False)
        assert kind.from_environment(timeout=1) is not None
        monkeypatch.setenv("COUNTERMAND_SERVER", "h:70000")
        with pytest.raises(ValueError, match="port"):
            kind.from_environment()
        monkeypatch.setenv("COUNTERMAND_SERVER", "h:1")
        monkeypatch.setenv("COUNTERMAND_API_KEY", "a\nb")
        with pytest.raises(ValueError, match="API key"):
            kind.from_environment()
        monkeypatch.delenv("COUNTERMAND_API_KEY")


def test_variables_that_are_not_set_or_empty_say_nothing() -> None:
    assert read_environment({}) == ("127.0.0.1:50051", None, None)
    empty = {"COUNTERMAND_SERVER": "", "COUNTERMAND_API_KEY": "", "COUNTERMAND_CLIENT_TLS_CA": ""}
    assert read_environment(empty) == ("127.0.0.1:50051", None, None)
    said = {"COUNTERMAND_SERVER": "h:1", "COUNTERMAND_API_KEY": "k"}
    assert read_environment(said) == ("h:1", "k", None)


@pytest.mark.parametrize("said", ["1", "true", "YES", "on"])
def test_the_environment_may_ask_for_tls(said: str) -> None:
    assert read_environment({"COUNTERMAND_CLIENT_TLS": said}).credentials is not None


@pytest.mark.parametrize("said", ["", "0", "false", "no", "OFF"])
def test_the_environment_may_say_no_tls(said: str) -> None:
    assert read_environment({"COUNTERMAND_CLIENT_TLS": said}).credentials is None


def test_what_the_environment_says_wrongly_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="neither true nor false"):
        read_environment({"COUNTERMAND_CLIENT_TLS": "maybe"})
    half = tmp_path / "cert.pem"
    half.write_bytes(b"")
    with pytest.raises(ValueError, match="belong together"):
        read_environment({"COUNTERMAND_CLIENT_TLS_CERT": str(half)})
    with pytest.raises(FileNotFoundError):
        read_environment({"COUNTERMAND_CLIENT_TLS_CA": str(tmp_path / "none.pem")})
