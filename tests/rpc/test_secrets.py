"""A key's secret is in no log, no trace, no error and no file."""

import logging
from contextlib import suppress
from hashlib import sha256

import grpc
import pytest

from countermand.rpc.method import Unary
from countermand.telemetry.logs import JsonFormatter
from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import key_service_pb2 as k
from countermand.v1 import task_service_pb2 as t
from tests.support.caller import SCOPES, Caller, first_caller, new_id
from tests.support.inside import inside
from tests.support.knobs import SENDING
from tests.support.otlp import otlp_collector
from tests.support.served_store import contents
from tests.support.server import Server, Stubs

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Planted:
    """A key of which a test looks for every trace."""

    def __init__(self, made: k.CreateKeyResponse) -> None:
        self.key_id = made.key.key_id
        self.secret = made.secret
        random = made.secret.rpartition("_")[2]
        digest = sha256(made.secret.encode())
        self.texts = (random[:-1], random[1:], random.upper(), digest.hexdigest())
        self.raw = (*(text.encode() for text in self.texts[:3]), bytes.fromhex(random))
        self.hash = digest.digest()

    def shown_in(self, text: str) -> bool:
        return any(each in text for each in (*self.texts, repr(self.hash)[2:-1]))

    def ways(self) -> list[list[tuple[str, str]]]:
        """Returns metadata with the key as it should be sent, nearly so, and far from it."""
        return [
            [("x-api-key", self.secret)],
            [("authorization", f"Bearer {self.secret}")],
            [("x-api-key", self.secret[:-1])],
            [("x-api-key", f"{self.secret} ")],
            [("x-api-key", self.secret), ("x-api-key", self.secret[1:])],
            [("authorization", self.secret)],
            [("authorization", f"Basic {self.secret}")],
            [("x-api-kee", self.secret)],
            [("x-api-key", self.secret), ("traceparent", self.secret)],
        ]


async def plant(admin: Caller, *scopes: str) -> Planted:
    request = k.CreateKeyRequest(tenant="t", environment="sandbox", scopes=scopes)
    return Planted(await admin.keys.CreateKey(request))


async def call_in_all_ways(channel: grpc.aio.Channel, planted: Planted) -> tuple[str, int]:
    """Calls with a key rightly and wrongly. Returns all that callers were told in errors, and how
    many calls were let in."""
    stubs, told, let_in = Stubs(channel), [], 0
    for metadata in planted.ways():
        for call in (
            stubs.tasks.CreateTask(t.CreateTaskRequest(), metadata=metadata),
            stubs.tasks.ListTasks(t.ListTasksRequest(), metadata=metadata),
            stubs.tasks.GetTask(t.GetTaskRequest(task_id=new_id()), metadata=metadata),
            stubs.tasks.GetTask(t.GetTaskRequest(task_id=planted.secret), metadata=metadata),
            stubs.keys.ListKeys(k.ListKeysRequest(), metadata=metadata),
            stubs.keys.RevokeKey(k.RevokeKeyRequest(key_id=planted.secret), metadata=metadata),
            stubs.keys.RotateKey(k.RotateKeyRequest(key_id=planted.secret), metadata=metadata),
        ):
            try:
                answer = await call
            except grpc.aio.AioRpcError as error:
                told.append(f"{error!r} {error.trailing_metadata()}")
            else:
                told.append(repr(answer))
                let_in += 1
        watch = stubs.cancellations.WatchTasks(c.WatchTasksRequest(), metadata=metadata)
        with suppress(grpc.aio.AioRpcError):
            await watch.read()
        watch.cancel()
    return "\n".join(told), let_in


async def test_a_planted_key_shows_in_nothing_that_a_server_writes(tmp_path):
    async with otlp_collector() as collector:
        server = await Server(
            tmp_path,
            knobs=SENDING,
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint,
            OTEL_TRACES_SAMPLER_ARG="1",
            OTEL_BSP_SCHEDULE_DELAY="50",
        ).start()
        async with first_caller(server) as admin, server.connect("").channel as channel:
            planted = [await plant(admin, *SCOPES), await plant(admin, "tasks:read")]
            revoked = await plant(admin, *SCOPES)
            await admin.keys.RevokeKey(k.RevokeKeyRequest(key_id=revoked.key_id))
            counts = []
            for one in (*planted, revoked):
                told, let_in = await call_in_all_ways(channel, one)
                assert not one.shown_in(told)
                counts.append(let_in)
            assert counts[0] > counts[1] > counts[2] == 0
        assert await server.stop() == 0
        written = {
            "log": "\n".join(server.log),
            "spans": repr(collector.spans),
            "exports": repr(collector.metadata),
        }
    for one in (*planted, revoked):
        assert [name for name, text in written.items() if one.shown_in(text)] == []
    assert "API_KEY_INVALID" in written["log"]
    assert "SCOPE_MISSING" in written["spans"]

    # The store has the hashes, so it was looked at, and nothing else.
    content = contents(server.store_url)
    for one in (*planted, revoked):
        assert one.hash in content
        assert not any(each in content for each in one.raw)


async def test_a_failure_of_ours_shows_no_key(tmp_path, caplog):
    async def fail(call, request):
        raise RuntimeError("it broke")

    name = "countermand.v1.TaskService/GetTask"
    broken = Unary(name, t.GetTaskRequest, ("tasks:read",), fail)
    with caplog.at_level(logging.DEBUG):
        async with inside(tmp_path, replaced=[broken]) as server, server.caller() as caller:
            planted = await plant(caller, "tasks:read")
            request = t.GetTaskRequest(task_id=new_id())
            async with grpc.aio.insecure_channel(server.address) as channel:
                call = Stubs(channel).tasks.GetTask(request, metadata=planted.ways()[0])
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await call
    lines = [JsonFormatter().format(record) for record in caplog.records]
    assert any("it broke" in line for line in lines)
    assert "it broke" not in f"{caught.value!r}"
    assert not planted.shown_in("\n".join(lines))
    assert not planted.shown_in(f"{caught.value!r} {caught.value.trailing_metadata()}")
