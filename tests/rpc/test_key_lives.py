"""How long a key is accepted, what replaces it, and when it was last used."""

import asyncio
from datetime import UTC, datetime

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2, health_pb2_grpc

from countermand.core.decide import Batch
from countermand.v1 import cancellation_service_pb2, task_service_pb2
from countermand.v1 import key_service_pb2 as k
from tests.support.caller import Caller, first_caller, new_caller, new_id, span
from tests.support.inside import inside
from tests.support.refusals import refused
from tests.support.server import Server, Stubs

pytestmark = pytest.mark.asyncio(loop_scope="session")

DAY = 86_400
LIMITS = k.KeyLimits(writes_per_second=5, open_watches=7)


async def create(admin: Caller, **fields) -> k.CreateKeyResponse:
    fields = {"environment": "sandbox", "scopes": ["tasks:read"], **fields}
    return await admin.keys.CreateKey(k.CreateKeyRequest(tenant=f"t-{new_id()}", **fields))


async def rotate(admin: Caller, key_id: str, overlap: float | None = None) -> k.RotateKeyResponse:
    request = k.RotateKeyRequest(key_id=key_id)
    if overlap is not None:
        request.overlap.CopyFrom(span(overlap))
    return await admin.keys.RotateKey(request)


async def listed(admin: Caller, key_id: str) -> k.Key:
    page = await admin.keys.ListKeys(k.ListKeysRequest(page_size=1000))
    (found,) = [key for key in page.keys if key.key_id == key_id]
    return found


async def use(channel: grpc.aio.Channel, secret: str) -> None:
    request = task_service_pb2.ListTasksRequest()
    await Stubs(channel).tasks.ListTasks(request, metadata=[("x-api-key", secret)])


def seconds_between(first: Timestamp, second: Timestamp) -> float:
    return (second.ToNanoseconds() - first.ToNanoseconds()) / 1e9


def now() -> Timestamp:
    time = Timestamp()
    time.FromDatetime(datetime.now(UTC))
    return time


async def test_a_rotation_makes_a_second_live_key_like_the_first(admin, channel):
    scopes = ["tasks:read", "orders:read"]
    old = await create(admin, environment="production", scopes=scopes, limits=LIMITS)
    new = await rotate(admin, old.key.key_id)
    assert new.key.key_id != old.key.key_id
    assert new.secret.startswith(f"cmd_production_{new.key.key_id}_")
    assert (new.key.tenant, new.key.environment) == (old.key.tenant, "production")
    assert list(new.key.scopes) == scopes
    assert new.key.limits == LIMITS
    assert not new.key.HasField("expire_time")
    assert not new.key.successor_key_id
    for secret in (old.secret, new.secret):
        await use(channel, secret)
    kept = await listed(admin, old.key.key_id)
    assert kept.successor_key_id == new.key.key_id
    assert seconds_between(new.key.create_time, kept.expire_time) == DAY


async def test_both_keys_see_the_same_and_a_retry_with_the_new_one_is_a_replay(shared, admin):
    async with new_caller(shared, admin) as old:
        held = await old.running()
        asked = {"request_id": new_id(), "reason": "fraud"}
        first = await old.cancel(held.task_id, **asked)
        made = await rotate(admin, old.key_id, overlap=0)
        async with shared.connect(made.secret).channel as channel:
            new = Caller(Stubs(channel), old.tenant, made.key.key_id)
            again = await new.cancel(held.task_id, **asked)
    assert again.replayed
    assert again.cancellation == first.cancellation


async def test_without_an_overlap_the_old_key_is_refused_at_once(admin, channel):
    old = await create(admin)
    new = await rotate(admin, old.key.key_id, overlap=0)
    await refused(use(channel, old.secret), "API_KEY_INVALID")
    await use(channel, new.secret)


async def test_a_rotation_lets_the_old_key_live_no_longer_and_the_new_one_as_long(admin):
    end = now()
    end.seconds += 600
    old = await create(admin, expire_time=end)
    new = await rotate(admin, old.key.key_id)
    assert (await listed(admin, old.key.key_id)).expire_time == old.key.expire_time
    lifetimes = [seconds_between(key.create_time, key.expire_time) for key in (old.key, new.key)]
    assert lifetimes[0] == lifetimes[1]


async def test_a_key_is_rotated_once_and_a_dead_one_not_at_all(admin):
    old, dead, gone = [await create(admin) for _ in range(3)]
    new = await rotate(admin, old.key.key_id)
    await admin.keys.RevokeKey(k.RevokeKeyRequest(key_id=dead.key.key_id))
    after = await rotate(admin, gone.key.key_id, overlap=0)
    said = {}
    for key_id in (old.key.key_id, dead.key.key_id, gone.key.key_id, "nobody"):
        refusal = await refused(rotate(admin, key_id), "KEY_NOT_FOUND")
        assert refusal.resource == ("key", key_id)
        said[key_id] = refusal.metadata
    assert list(said.values()) == [
        {"key_id": old.key.key_id, "state": "ROTATED", "successor_key_id": new.key.key_id},
        {"key_id": dead.key.key_id, "state": "REVOKED"},
        {"key_id": gone.key.key_id, "state": "EXPIRED", "successor_key_id": after.key.key_id},
        {"key_id": "nobody"},
    ]
    newer = await rotate(admin, new.key.key_id, overlap=0)  # as after an answer that was lost
    assert (await listed(admin, new.key.key_id)).successor_key_id == newer.key.key_id


async def test_a_rotated_key_may_be_revoked_before_its_time(admin, channel):
    old = await create(admin)
    new = await rotate(admin, old.key.key_id)
    await admin.keys.RevokeKey(k.RevokeKeyRequest(key_id=old.key.key_id))
    await refused(use(channel, old.secret), "API_KEY_INVALID")
    await use(channel, new.secret)


async def test_a_key_ends_with_the_commit_though_who_revoked_it_is_gone(tmp_path):
    async with inside(tmp_path) as server, server.caller() as admin:
        made = await create(admin)
        commit, entered, go_on = server.app.store.commit, asyncio.Event(), asyncio.Event()

        async def busy(batch: Batch) -> float:
            entered.set()
            await go_on.wait()
            return await commit(batch)

        async with grpc.aio.insecure_channel(server.address) as channel:
            request = cancellation_service_pb2.WatchTasksRequest()
            watch = Stubs(channel).cancellations.WatchTasks(
                request, metadata=[("x-api-key", made.secret)]
            )
            await watch.read()
            server.app.store.commit = busy
            request = k.RevokeKeyRequest(key_id=made.key.key_id)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await admin.keys.RevokeKey(request, timeout=0.1)
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            await entered.wait()
            await use(channel, made.secret)  # nothing is committed yet
            go_on.set()
            async with asyncio.timeout(5):
                await refused(watch.read(), "API_KEY_INVALID")
            await refused(use(channel, made.secret), "API_KEY_INVALID")


async def test_what_needs_no_key_goes_on_when_one_is_revoked(shared, admin):
    leaving, staying = await create(admin), await create(admin)
    async with shared.connect("").channel as channel:  # one connection for all of it
        health = health_pb2_grpc.HealthStub(channel)
        watching = health.Watch(health_pb2.HealthCheckRequest())
        assert (await watching.read()).status == health_pb2.HealthCheckResponse.SERVING
        request = cancellation_service_pb2.WatchTasksRequest()
        ends, stays = (
            Stubs(channel).cancellations.WatchTasks(request, metadata=[("x-api-key", made.secret)])
            for made in (leaving, staying)
        )
        await asyncio.gather(ends.read(), stays.read())
        await admin.keys.RevokeKey(k.RevokeKeyRequest(key_id=leaving.key.key_id))
        async with asyncio.timeout(5):
            await refused(ends.read(), "API_KEY_INVALID")
        await use(channel, staying.secret)
        assert not watching.done()
        assert not stays.done()


async def test_the_last_use_is_shown_at_once_and_kept_over_a_restart(tmp_path):
    server = await Server(tmp_path).start()
    async with first_caller(server) as admin, server.connect("").channel as channel:
        made = await create(admin)
        assert not made.key.HasField("last_use_time")
        assert not (await listed(admin, made.key.key_id)).HasField("last_use_time")
        before = now()
        await use(channel, made.secret)
        await refused(use(channel, made.secret[:-1]), "API_KEY_INVALID")
        used = await listed(admin, made.key.key_id)
    assert abs(seconds_between(before, used.last_use_time)) < 30
    assert await server.stop() == 0
    await server.start()
    async with first_caller(server) as admin:
        assert await listed(admin, made.key.key_id) == used
    await server.kill()
