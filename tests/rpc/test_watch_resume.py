"""Resume tokens: they name every place between two messages, and fit one watch alone."""

import shutil
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest

from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import task_service_pb2
from tests.support.caller import (
    CANCELLED,
    CHANGE,
    HEARTBEAT,
    SNAPSHOT,
    SYNCED,
    Caller,
    everything,
    new_caller,
    new_id,
    take,
)
from tests.support.inside import inside
from tests.support.refusals import refused
from tests.support.served_store import on_sqlite_alone

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def told_of_a_group(caller: Caller) -> tuple[str, list]:
    """Watches a group of three through its cancel. Returns its id and all messages."""
    made = await caller.create_group(3)
    held = [await caller.start(task.task_id) for task in made.tasks[1:]]
    watch = caller.watch_many(group_id=made.group.group_id)
    told = await take(watch, 4)
    await caller.cancel_group(made.group.group_id)
    for one in held:
        await caller.finish(one, "CANCELLED")
    return made.group.group_id, told + await everything(watch)


async def test_every_place_can_be_resumed_from(caller):
    group_id, told = await told_of_a_group(caller)
    kinds = [message.type for message in told]
    assert kinds == [SNAPSHOT] * 3 + [SYNCED] + [CHANGE] * 5

    for place, message in enumerate(told[:-1]):
        again = await everything(caller.watch_many(message.resume_token, group_id=group_id))
        assert again == told[place + 1 :], place

    (end,) = await everything(caller.watch_many(told[-1].resume_token, group_id=group_id))
    assert (end.type, end.last) == (HEARTBEAT, True)


async def test_a_place_inside_one_commit_of_many_pages_can_be_resumed_from(caller):
    made = await caller.create_group(1200)
    group_id = made.group.group_id
    watch = caller.watch_many(group_id=group_id)
    snapshot = await take(watch, 1201)
    await caller.cancel_group(group_id)
    changes = await everything(watch)
    assert len({message.task.update_time.ToNanoseconds() for message in changes}) == 1
    assert [message.last for message in changes] == [False] * 1199 + [True]

    for place in (0, 498, 499, 500, 501, 999, 1000, 1198):
        token = changes[place].resume_token
        assert await everything(caller.watch_many(token, group_id=group_id)) == changes[place + 1 :]
    for place in (0, 499, 500, 1199):
        token = snapshot[place].resume_token
        resumed = caller.watch_many(token, group_id=group_id)
        assert await everything(resumed) == snapshot[place + 1 :] + changes


async def test_a_resumed_watch_goes_on_live(caller):
    first = await caller.running()
    watch = caller.watch_many()
    (_, synced) = await take(watch, 2)
    watch.cancel()
    await caller.finish(first)

    resumed = caller.watch_many(synced.resume_token)
    assert (await resumed.read()).task.version == 3
    second = await caller.create()
    assert (await resumed.read()).task == second
    resumed.cancel()


async def test_a_token_at_the_present_end_is_answered_at_once_with_a_heartbeat(caller):
    await caller.create()
    watch = caller.watch_many()
    (_, synced) = await take(watch, 2)
    watch.cancel()
    resumed = caller.watch_many(synced.resume_token, timeout=5)
    message = await resumed.read()
    resumed.cancel()
    assert (message.type, message.last) == (HEARTBEAT, False)


async def test_a_token_is_good_for_another_key_of_the_same_tenant(caller, shared, admin):
    group_id, told = await told_of_a_group(caller)
    async with new_caller(shared, admin, tenant=caller.tenant) as rotated:
        again = await everything(rotated.watch_many(told[3].resume_token, group_id=group_id))
    assert again == told[4:]


async def test_a_token_of_another_tenant_or_environment_is_refused(caller, shared, admin):
    await caller.create()
    watch = caller.watch_many()
    token = (await watch.read()).resume_token
    watch.cancel()
    for fields in ({}, {"tenant": caller.tenant, "environment": "production"}):
        async with new_caller(shared, admin, **fields) as other:
            await refused(other.watch_many(token).read(), "RESUME_TOKEN_INVALID")


async def test_a_token_of_another_filter_is_refused(caller):
    group_id, told = await told_of_a_group(caller)
    other = await caller.create_group(0)
    for chosen in (
        {},
        {"group_id": other.group.group_id},
        {"agent_id": "agent-1"},
        {"group_id": group_id, "agent_id": "agent-1"},
    ):
        watch = caller.watch_many(told[0].resume_token, **chosen)
        refusal = await refused(watch.read(), "RESUME_TOKEN_INVALID")
        assert list(refusal.fields) == ["resume_token"]


async def test_garbage_is_no_token(caller):
    for _ in range(2):
        await caller.create()
    watch = caller.watch_many()
    token = (await watch.read()).resume_token
    watch.cancel()
    page = await caller.tasks.ListTasks(task_service_pb2.ListTasksRequest(page_size=1))
    data = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    flipped = bytes([data[0] ^ 1]) + data[1:]
    for garbage in (
        "x",
        "not a token",
        "ünïcödé",
        token[:-2],
        token * 2,
        "=" * 40,
        "\0",
        urlsafe_b64encode(flipped).decode(),
        urlsafe_b64encode(data[8:]).decode(),
        page.next_page_token,
        new_id(),
    ):
        await refused(caller.watch_many(garbage).read(), "RESUME_TOKEN_INVALID")


@on_sqlite_alone("its file is put back")
async def test_a_token_of_what_a_restore_has_undone_has_expired_for_ever(tmp_path):
    async with inside(tmp_path) as server, server.caller() as caller:
        await caller.create()
        watch = caller.watch_many()
        (_, seen) = await take(watch, 2)
        watch.cancel()
    shutil.copy(tmp_path / "inside.db", tmp_path / "backup.db")
    async with inside(tmp_path) as server, server.caller() as caller:
        await caller.create()
        watch = caller.watch_many()
        (_, _, synced) = await take(watch, 3)
        watch.cancel()
    (tmp_path / "inside.db").unlink()
    shutil.copy(tmp_path / "backup.db", tmp_path / "inside.db")
    async with inside(tmp_path) as server, server.caller() as caller:
        await refused(caller.watch_many(synced.resume_token).read(), "RESUME_TOKEN_EXPIRED")
        anew = caller.watch_many()
        assert [message.type for message in await take(anew, 2)] == [SNAPSHOT, SYNCED]
        anew.cancel()
        for _ in range(3):
            await caller.create()
        # Other events are in the places of those that it has seen.
        await refused(caller.watch_many(synced.resume_token).read(), "RESUME_TOKEN_EXPIRED")
        still = caller.watch_many(seen.resume_token)
        assert [message.task.version for message in await take(still, 3)] == [1, 1, 1]
        still.cancel()


async def test_tokens_outlive_the_server(tmp_path):
    async with inside(tmp_path) as server, server.caller() as caller:
        made = await caller.create_group(1)
        watch = caller.watch_many(group_id=made.group.group_id)
        token = (await watch.read()).resume_token
        watch.cancel()
        await caller.cancel_group(made.group.group_id)
    async with inside(tmp_path) as server, server.caller() as caller:
        request = c.WatchTasksRequest(resume_token=token)
        request.filter.group_id = made.group.group_id.upper()
        told = await everything(caller.cancellations.WatchTasks(request))
    assert [message.type for message in told] == [SYNCED, CHANGE]
    assert told[-1].task.state == CANCELLED
    assert told[-1].last
