"""Who did what: keys with names and makers, and the lines that acts leave in the log."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from countermand import __version__
from countermand.client import Client
from countermand.store.sqlite.statements import migrations
from countermand.v1.order_pb2 import Order
from countermand.v1.task_service_pb2 import CreateTaskRequest
from tests.support.command import Command
from tests.support.old_store import OldStore
from tests.support.served_store import on_sqlite_alone
from tests.support.server import Server, started
from tests.support.waiting import until


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with started(tmp_path, "--log-accepted") as server:
        yield server


def lines(server: Server, event: str) -> list[dict]:
    found = [json.loads(line) for line in server.log if line.startswith("{")]
    return [line for line in found if line["event"] == event]


async def test_keys_have_names_and_makers_and_each_act_leaves_one_line(server: Server):
    admin = server.key.split("_")[2]
    async with Client(server.address, server.key) as client:
        scopes = ["keys:admin", "tasks:cancel", "tasks:write", "tasks:read"]
        made = await client.create_key("shop", "sandbox", scopes, name="till-7")
        async with Client(server.address, made.secret) as till:
            turned = await till.rotate_key(made.key.key_id)
        gone = await client.revoke_key(made.key.key_id)
        keys = {key.key_id: key for key in (await client.list_keys()).keys}
        async with Client(server.address, turned.secret) as till:
            task = (await till.create_task()).task
            done = await till.cancel_task(task.task_id)
            assert done.cancellation.requested_by == turned.key.key_id
            assert done.cancellation.requested_by_name == "till-7"
            found = await till.get_cancellation(done.cancellation.cancellation_id)
            assert found.cancellation.requested_by_name == "till-7"
            (listed,) = (await till.list_cancellations()).cancellations
            assert listed.requested_by_name == "till-7"
    assert (keys[admin].name, keys[admin].created_by) == ("first key", "system:start")
    assert (made.key.name, made.key.created_by) == ("till-7", admin)
    assert (turned.key.name, turned.key.created_by) == ("till-7", made.key.key_id)
    assert gone.key.revoked_by == admin
    await until(lambda: bool(lines(server, "key revoked")))
    (first, created) = lines(server, "key created")
    assert (first["key_id"], first["by"]) == (admin, "system:start")
    assert (created["key_id"], created["tenant"], created["by"]) == (
        made.key.key_id,
        "shop",
        admin,
    )
    (rotated,) = lines(server, "key rotated")
    assert (rotated["replaces"], rotated["by"]) == (made.key.key_id, made.key.key_id)
    (revoked,) = lines(server, "key revoked")
    assert (revoked["key_id"], revoked["by"]) == (made.key.key_id, admin)
    assert not [line for line in server.log if made.secret in line or turned.secret in line]


async def test_each_accepted_cancel_leaves_one_line_without_what_callers_say(server: Server):
    async with Client(server.address, server.key) as client:
        order = Order(order_id="63-1", note="Ms Doe")
        await client.create_order(order, [CreateTaskRequest() for _ in range(3)])
        said = {"reason": "Ms Doe", "message": "Ms Doe", "on_behalf_of": "Ms Doe"}
        done = await client.cancel_order("63-1", **said)
        await client.cancel_order("63-1", request_id=done.cancellation.request_id, **said)
        task = (await client.create_task()).task
        await client.cancel_task(task.task_id, validate_only=True)
        await client.cancel_task(task.task_id)
    await until(lambda: len(lines(server, "cancel accepted")) == 2)
    first, second = lines(server, "cancel accepted")
    assert first["cancellation_id"] == done.cancellation.cancellation_id
    assert first["trace_id"] == done.cancellation.trace_id
    assert (first["target"], first["target_id"], first["tasks"]) == ("order", "63-1", 3)
    assert (second["target"], second["target_id"], second["tasks"]) == ("task", task.task_id, 1)
    assert first["requested_by"] == server.key.split("_")[2]
    assert not [line for line in server.log if "Ms Doe" in line]


@on_sqlite_alone("its file is older")
async def test_the_first_line_has_the_version_and_another_schema_leaves_a_line(tmp_path: Path):
    newest = migrations()[-1][0]
    with OldStore(tmp_path / "countermand.db", newest - 1):
        pass
    async with started(tmp_path) as server:
        begun = [json.loads(line) for line in server.log if "{" in line]
        [starting] = (line for line in begun if line["event"] == "starting")
        assert starting["version"] == __version__
        # What was found as the store was opened stands before it.
        events = [line["event"] for line in begun[: begun.index(starting)]]
        assert f"the schema went from {newest - 1} to {newest}" in events
        await server.stop()
        begin = len(server.log)
        await server.start("--log-format", "text", "--log-level", "info")
        await server.stop()
        again = server.log[begin:]
    assert f"starting  logger=countermand.rpc.server  version={__version__}" in again[0]
    assert not [line for line in again if "the schema went" in line]


async def test_a_wrong_level_or_format_is_told(tmp_path: Path):
    command = Command(COUNTERMAND_STORE=f"sqlite:///{tmp_path / 'x.db'}")
    for wrong, said in (
        (("--log-level", "loud"), "--log-level is one of DEBUG, INFO, WARNING, ERROR"),
        (("--log-format", "xml"), "--log-format is one of text, json"),
    ):
        result = await command("serve", *wrong)
        assert (result.status, said in result.err) == (2, True)
