"""A store that the first revision with a schema wrote: it opens, and everything in it goes on.

`fixtures/first_schema.gz` was made by revision 0a37e7b: six tasks, of which a watch had seen the
first versions when its token was noted; cancels of a task, of a group by two callers, and of a
checkout that an order lists; a clean stop. `fixtures/first_schema.json` has what its callers hold.
"""

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from typing import Any

import grpc
import pytest
import pytest_asyncio

from countermand.store.sqlite.statements import migrations
from countermand.store.sqlite.upkeep.checking import check
from countermand.v1 import cancellation_service_pb2 as c
from tests.support.caller import CANCELLED, CANCELLING, Caller, first_caller, new_id
from tests.support.served_store import on_sqlite_alone
from tests.support.server import Server, started

pytestmark = [pytest.mark.asyncio(loop_scope="module"), on_sqlite_alone("its file is older")]

FIXTURES = Path(__file__).parent / "fixtures"
TOLD: dict[str, Any] = json.loads((FIXTURES / "first_schema.json").read_text())
GROUP = "c0ffee00-0000-4000-8000-000000000100"


def task_id(number: int) -> str:
    return f"c0ffee00-0000-4000-8000-{number:012}"


def request_id(number: int) -> str:
    return task_id(200 + number)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """The present version on that store."""
    folder = tmp_path_factory.mktemp("first-schema")
    store = gzip.decompress((FIXTURES / "first_schema.gz").read_bytes())
    (folder / "countermand.db").write_bytes(store)
    async with started(folder) as server:
        server.key = TOLD["key"]
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def caller(server: Server) -> AsyncIterator[Caller]:
    async with first_caller(server) as caller:
        yield caller


async def test_its_tasks_are_as_they_were_and_go_on(caller: Caller) -> None:
    for id, version in TOLD["versions"].items():
        assert (await caller.get(id)).version >= version
    ended = await caller.get(task_id(1))
    assert (ended.state, ended.version) == (CANCELLED, 4)
    assert (ended.merchant, dict(ended.labels)) == ("Tea", {"colour": "red"})
    answer = await caller.cancel(task_id(2))
    assert (answer.task.state, answer.task.version) == (CANCELLED, 2)


async def test_a_watch_goes_on_from_the_version_that_it_had_seen(caller: Caller) -> None:
    for seen in range(4):
        told = [m async for m in caller.watch(task_id(1), after_version=seen)]
        assert [message.task.version for message in told] == list(range(seen + 1, 5))
        assert told[-1].last


async def test_a_resume_token_goes_on_without_a_gap(caller: Caller) -> None:
    """The token was noted before any task was started: from there each version comes once."""
    seen: dict[str, int] = dict.fromkeys(TOLD["versions"], 1)
    wanted = {id: version for id, version in TOLD["versions"].items() if version > 1}
    async for message in caller.watch_many(TOLD["resume_token"]):
        if message.HasField("task"):
            id = message.task.task_id
            assert message.task.version == seen[id] + 1
            seen[id] += 1
        if all(seen[id] >= version for id, version in wanted.items()):
            break


@pytest.mark.parametrize(
    ("kind", "number", "target", "said"),
    [
        ("task", 1, {"task_id": task_id(1)}, {"reason": "fraud"}),
        ("group", 2, {"group_id": GROUP}, {"reason": "wrong", "grace": 600}),
        ("checkout", 3, {"checkout_id": "checkout-1"}, {}),
        ("group", 4, {"group_id": GROUP}, {"reason": "other"}),
    ],
)
async def test_a_request_id_is_answered_as_before(
    caller: Caller, kind: str, number: int, target: dict[str, str], said: dict[str, Any]
) -> None:
    fields = dict(said)
    request = getattr(c, f"Cancel{kind.capitalize()}Request")(
        request_id=request_id(number), reason=fields.get("reason", ""), **target
    )
    if "grace" in fields:
        request.grace_period.FromSeconds(fields["grace"])
    method = getattr(caller.cancellations, f"Cancel{kind.capitalize()}")
    answer = await method(request, timeout=20)
    names = {1: "cancelled", 2: "group", 3: "checkout", 4: "joined"}
    assert answer.replayed
    assert answer.cancellation.cancellation_id == TOLD[names[number]]
    request.request_id = request_id(number)
    request.reason = "something else"
    with pytest.raises(grpc.aio.AioRpcError, match="request_id"):
        await method(request, timeout=20)


async def test_what_was_being_cancelled_still_is_or_has_ended(caller: Caller) -> None:
    task = await caller.get(task_id(5))
    assert task.state in (CANCELLING, CANCELLED)
    found = await caller.cancellation(TOLD["checkout"])
    assert {result.task_id for result in found.results} >= {task_id(5), task_id(6)}
    assert (await caller.create(task_id=new_id())).version == 1


async def test_it_has_the_newest_schema_and_is_sound(server: Server) -> None:
    await server.stop()
    with closing(connect(server.store)) as store:
        found = check(store)
    assert found.faults == []
    assert found.schema == migrations()[-1][0]
    assert found.rules > 0
