"""Text that callers choose: it steers no terminal, makes no line of its own in the log, and what
is meant for buyers and about them is in no log and no trace."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message

from countermand.v1 import task_service_pb2 as t
from tests.support.caller import Caller, first_caller, new_id
from tests.support.command import Command
from tests.support.in_process import InProcess
from tests.support.inside import inside
from tests.support.knobs import DRAWN_VALUES, PRODUCTION, SENDING
from tests.support.otlp import otlp_collector
from tests.support.raw import RPCS, Rpc
from tests.support.server import Server, started

NASTY = "\x1b[2J\x1b]0;title\x07\nfake line\r\u202e\u2066\x9b"
SECRET = "gullible.gudrun@example.com"
"""Whatever a buyer is known by."""


def every_text(message, text: str) -> None:
    """Puts a text into every field of a message that is one, of messages in it too."""
    for field in message.DESCRIPTOR.fields:
        if field.containing_oneof and message.WhichOneof(field.containing_oneof.name):
            continue
        if field.type == field.TYPE_STRING:
            if field.is_repeated:
                getattr(message, field.name).append(text)
            else:
                setattr(message, field.name, text)
        elif field.type == field.TYPE_MESSAGE and not field.message_type.GetOptions().map_entry:
            if field.message_type.full_name.startswith("google."):
                continue
            inner = getattr(message, field.name)
            every_text(inner.add() if field.is_repeated else inner, text)


async def call_everything(caller: Caller, key: str) -> int:
    """Calls every method with nasty text wherever text is. Returns how many calls were refused."""
    calls = []
    for rpc in RPCS.values():
        request = type(rpc.request)()
        every_text(request, NASTY)
        calls.append(rpc.call(caller.channel, request.SerializeToString(), key))
    hostile = (("x-note-bin", NASTY.encode()), ("traceparent", "00-~-~-01"))
    listed = caller.tasks.ListTasks(t.ListTasksRequest(), metadata=hostile)
    outcomes = await asyncio.gather(*calls, listed, return_exceptions=True)
    return sum(isinstance(outcome, grpc.aio.AioRpcError) for outcome in outcomes)


async def test_every_line_of_the_log_is_one_event_whatever_is_called_with_whatever(tmp_path):
    every_line = DRAWN_VALUES | {
        "calls.max_lines_per_second": 10_000,
        "calls.max_lines_per_key": 10_000,
    }
    async with started(tmp_path, knobs=every_line) as server:
        async with first_caller(server) as caller:
            refused = await call_everything(caller, server.key)
        assert await server.stop() == 0
    lines = [line for line in server.log if not line.startswith("cmd_")]
    told = [line for line in map(json.loads, lines) if "reason" in line]
    assert len(told) == refused > len(RPCS) // 2
    for line in lines:
        assert line.isascii()
        assert line.isprintable()


NUL, LARGEST = "a\0b", "\U0001f6d1" * 500


def texts_of(message: Message, path: str = "", depth: int = 2) -> Iterator[tuple[str, Message]]:
    """Yields each text that a request has, by its path, with the message that has it alone."""
    for field in message.DESCRIPTOR.fields:
        name = f"{path}{field.name}"
        if field.type == field.TYPE_STRING:
            for text in (NUL, LARGEST):
                one = type(message)()
                if field.is_repeated:
                    getattr(one, field.name).append(text)
                else:
                    setattr(one, field.name, text)
                yield f"{name} {text[:3]!a}", one
        elif field.type == field.TYPE_MESSAGE and depth > 1:
            if field.message_type.full_name.startswith("google."):
                continue
            if field.message_type.GetOptions().map_entry:
                for pair in ((NUL, "value"), ("key", NUL), (LARGEST[:128], LARGEST)):
                    one = type(message)()
                    getattr(one, field.name)[pair[0]] = pair[1]
                    yield f"{name} {pair[0][:3]!a}", one
                continue
            kind = getattr(message, field.name)
            inner = kind.add() if field.is_repeated else kind
            for where, said in texts_of(inner, f"{name}.", depth - 1):
                one = type(message)()
                held = getattr(one, field.name)
                (held.add() if field.is_repeated else held).CopyFrom(said)
                yield where, one


def hostile_requests() -> dict[str, tuple[Rpc, bytes]]:
    """Returns each method with each of its texts, the rest of the request being well-formed."""
    found = {}
    for rpc in RPCS.values():
        valid = rpc.request.SerializeToString()
        for path, message in texts_of(type(rpc.request)()):
            found[f"{rpc.name}.{path}"] = rpc, valid + message.SerializeToString()
    return found


async def outcomes_of(folder: Path, url: str | None) -> dict[str, str]:
    """Returns why each of these was refused, "" if it was not; none may be a fault of the server.

    In the end all that was taken is read again.
    """
    async with inside(folder, url=url, knobs=PRODUCTION) as server:
        calls = InProcess(server)
        found = {
            name: await calls.call(rpc, data, server.key)
            for name, (rpc, data) in hostile_requests().items()
        }
        for name in ("ListTasks", "ListCheckouts", "ListCarts", "ListOrders", "ListWebhooks"):
            rpc = RPCS[name]
            assert await calls.call(rpc, rpc.request.SerializeToString(), server.key) == ""
    return found


async def test_every_text_is_answered_alike_on_both_stores_whatever_is_in_it(
    tmp_path: Path, database: str
):
    """PostgreSQL keeps no NUL in a text. So none comes to a store: it is refused by its field, or
    stands in what is kept in bytes, as a snapshot is."""
    (tmp_path / "file").mkdir()
    on_file = await outcomes_of(tmp_path / "file", f"sqlite:///{tmp_path / 'file' / 'x.db'}")
    assert await outcomes_of(tmp_path, database) == on_file
    assert len(on_file) > 200
    kept = {name for name, reason in on_file.items() if not reason and ascii(NUL)[1:4] in name}
    assert {name.split(".")[1] for name in kept} == {"checkout", "order", "line_items"}


async def hostile_sale(caller: Caller) -> tuple[str, str]:
    """Returns the ids of a task and a checkout that say nasty things."""
    held = await caller.running(merchant=NASTY, labels={NASTY: NASTY})
    await caller.cancel(held.task_id, reason=NASTY, message=NASTY, on_behalf_of=NASTY, grace=60)
    sale = await caller.new_checkout(1, currency="EUR")
    return held.task_id, sale.made.checkout_id


async def test_no_command_lets_a_stranger_steer_the_terminal(server: Server):
    async with first_caller(server) as caller:
        task_id, checkout_id = await hostile_sale(caller)
    command = Command(
        COUNTERMAND_SERVER=server.address, COUNTERMAND_API_KEY=server.key, FORCE_COLOR=""
    )
    for arguments in (
        ("cancel", "task", task_id, "--grace", "0s"),
        ("cancel", "task", task_id, "--grace", "0s", "--json"),
        ("watch", task_id),
        ("watch", task_id, "--json"),
        ("cancel", "checkout", checkout_id, "--reason", NASTY, "--message", NASTY),
        ("cancel", "order", NASTY),
        ("watch", NASTY),
        ("keys", "create", "--tenant", NASTY, "--scope", NASTY),
    ):
        result = await command(*arguments)
        for line in (result.out + result.err).split("\n"):
            assert line.isprintable(), (arguments, line)
        assert not any(line.startswith("fake") for line in result.out.splitlines())


async def test_what_buyers_read_and_are_known_by_is_in_no_log_and_no_trace(tmp_path):
    async with otlp_collector() as collector:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "OTEL_TRACES_SAMPLER_ARG": "1",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        async with started(tmp_path, knobs=SENDING, **environment) as server:
            async with first_caller(server) as caller:
                sale = await caller.new_checkout(
                    2,
                    running=1,
                    buyer={"first_name": SECRET, "email": SECRET, "phone_number": SECRET},
                    fulfillment_address={"name": SECRET, "line_one": SECRET},
                    messages=[{"type": "info", "content": SECRET}],
                )
                said = {"message": SECRET, "on_behalf_of": SECRET, "reason": "fraud"}
                await caller.cancel_checkout(sale.made.checkout_id, grace=0, **said)
                await caller.ended(sale.tasks[0].task_id)
                held = await caller.running(merchant=SECRET, labels={"buyer": SECRET})
                await caller.finish(held, "FAILED", failure_message=SECRET)
                for refused in (
                    caller.cancel(held.task_id, **said),
                    caller.cancel(new_id(), **said),
                    caller.cancel("no-id", **said),
                    caller.cancel(held.task_id, request_id=SECRET),
                    caller.create(task_id=SECRET),
                    caller.cancel_checkout(sale.made.checkout_id, **said),
                ):
                    with pytest.raises(grpc.aio.AioRpcError):
                        await refused
            assert await server.stop() == 0
        spans = repr(collector.spans)
    log = "\n".join(server.log)
    assert "TASK_ALREADY_FAILED" in log
    assert "countermand.tasks.ended" in spans
    assert SECRET not in log
    assert SECRET not in spans
