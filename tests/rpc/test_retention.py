"""A server with a retention: what is old goes, what is young keeps all its promises.

The store is aged while no server has it open: all its times are moved into the past.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from countermand.app.composition import open_store, running
from countermand.core.retention import DAY
from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import task_service_pb2 as t
from tests.support.caller import (
    CANCELLED,
    SNAPSHOT,
    SYNCED,
    Caller,
    everything,
    first_caller,
    new_id,
    take,
)
from tests.support.knobs import drawn_values_but, drawn_with
from tests.support.refusals import refused
from tests.support.served_store import columns, execute, url_of
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="session")

REMOVED = "what was old is removed"


@asynccontextmanager
async def serving(server: Server, *flags: str) -> AsyncIterator[Caller]:
    """Runs the server for a while."""
    await server.start(*flags)
    async with first_caller(server) as caller:
        yield caller
    assert await server.stop() == 0


async def logged(server: Server, event: str) -> dict[str, Any]:
    """Returns the log line with this event, once there is one: nothing signals it, so it looks."""
    async with asyncio.timeout(20):
        while True:
            for line in server.log:
                if f'"event": "{event}"' in line:
                    found: dict[str, Any] = json.loads(line)
                    return found
            await asyncio.sleep(0.02)


def grow_older(server: Server, hours: float) -> None:
    """Moves all times in the store of a server that does not run into the past."""
    for table, column in columns(server.store_url):
        if column == "time" or column.endswith("_time"):
            execute(
                server.store_url,
                f"UPDATE {table} SET {column} = {column} - ?",
                (int(hours * DAY / 24),),
            )


class Story:
    """A group, a sale and a task that are cancelled, and a task that runs on."""

    async def play(self, caller: Caller) -> None:
        self.agent = await caller.running(lease=3600)
        made = await caller.create_group(3)
        self.group_id, self.task_ids = made.group.group_id, [x.task_id for x in made.tasks]
        watch = caller.watch_many()
        self.token = (await take(watch, 5))[-1].resume_token
        watch.cancel()
        self.joined_id, self.cancel = new_id(), {"request_id": new_id(), "reason": "fraud"}
        answer = await caller.cancel_group(self.group_id, **self.cancel)
        self.cancellation_id = answer.cancellation.cancellation_id
        await caller.cancel_group(self.group_id, request_id=self.joined_id)
        await caller.new_checkout(1, checkout_id="checkout_1", cart_id="cart_1")
        await caller.new_order(1, order_id="order_1", checkout_ids=["checkout_1"])
        await caller.cancel_order("order_1", request_id=new_id())


class Aged(NamedTuple):
    """A server that kept such a story for 25 hours, with a retention of a day."""

    server: Server
    story: Story
    caller: Caller


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def aged(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Aged]:
    server, story = Server(tmp_path_factory.mktemp("aged")), Story()
    async with serving(server) as caller:
        await story.play(caller)
    grow_older(server, 25)
    server.log.clear()
    async with serving(server, "--retention", "1") as caller:
        await logged(server, REMOVED)
        yield Aged(server, story, caller)


async def test_what_ended_before_the_retention_is_gone(aged: Aged) -> None:
    caller, story = aged.caller, aged.story
    for task_id in story.task_ids:
        await refused(caller.get(task_id), "TASK_NOT_FOUND")
        await refused(caller.watch(task_id).read(), "TASK_NOT_FOUND")
    await refused(caller.group(story.group_id), "GROUP_NOT_FOUND")
    await refused(caller.checkout("checkout_1"), "CHECKOUT_NOT_FOUND")
    await refused(caller.order("order_1"), "ORDER_NOT_FOUND")
    await refused(caller.cart("cart_1"), "CART_NOT_FOUND")
    await refused(caller.cancellation(story.cancellation_id), "CANCELLATION_NOT_FOUND")
    assert await caller.listed() == []
    summary = c.SummarizeCancellationsRequest(group_by=c.SUMMARY_KEY_REASON)
    assert not (await caller.cancellations.SummarizeCancellations(summary)).rows


async def test_what_lives_has_its_whole_history(aged: Aged) -> None:
    (left,) = (await aged.caller.tasks.ListTasks(t.ListTasksRequest())).tasks
    assert left.task_id == aged.story.agent.task_id
    watch = aged.caller.watch(left.task_id, after_version=0)
    assert [message.task.version for message in await take(watch, 2)] == [1, 2]
    watch.cancel()


async def test_the_log_says_how_long_what_is_kept_and_what_was_removed(aged: Aged) -> None:
    assert (await logged(aged.server, "serving"))["retention_days"] == 1
    removed = await logged(aged.server, REMOVED)
    names = ("tasks", "groups", "checkouts", "orders", "carts")
    assert [removed[name] for name in names] == [5, 1, 1, 1, 1]


async def test_a_resume_token_from_before_has_expired_and_a_new_watch_begins_with_what_is_left(
    aged: Aged,
) -> None:
    watch = aged.caller.watch_many(aged.story.token)
    refusal = await refused(watch.read(), "RESUME_TOKEN_EXPIRED")
    assert refusal.metadata["kept_since_time"] in refusal.message
    assert "watch anew without" in refusal.message
    anew = aged.caller.watch_many()
    assert [message.type for message in await take(anew, 2)] == [SNAPSHOT, SYNCED]
    anew.cancel()


async def test_an_id_that_is_gone_is_free_again(aged: Aged) -> None:
    made = await aged.caller.create_group(0, group_id=aged.story.group_id)
    request_id = aged.story.cancel["request_id"]
    again = await aged.caller.cancel_group(made.group.group_id, request_id=request_id)
    assert not again.replayed
    await aged.caller.new_checkout(0, checkout_id="checkout_1", cart_id="cart_1")


async def test_within_the_retention_repeats_are_answered(tmp_path: Path) -> None:
    server, story = Server(tmp_path), Story()
    async with serving(server) as caller:
        await story.play(caller)
    grow_older(server, 23)
    async with serving(server, "--retention", "1") as caller:
        answer = await caller.cancel_group(story.group_id, **story.cancel)
        assert answer.replayed
        assert answer.cancellation.cancellation_id == story.cancellation_id
        assert [result.task_state for result in answer.cancellation.results] == [CANCELLED] * 3
        assert (await caller.cancel_group(story.group_id, request_id=story.joined_id)).replayed


async def test_without_the_option_what_ended_is_kept_for_30_days(tmp_path: Path) -> None:
    server, story = Server(tmp_path), Story()
    async with serving(server) as caller:
        await story.play(caller)
        assert (await logged(server, "serving"))["retention_days"] == 30
    grow_older(server, 24 * 30 + 1)
    async with serving(server) as caller:
        await logged(server, REMOVED)
        assert await caller.listed() == []


async def test_a_group_of_many_goes_in_pieces_while_others_cancel_and_watch(
    tmp_path: Path,
) -> None:
    server = Server(tmp_path, knobs=drawn_values_but("purger."))  # it is to be gone in time
    async with serving(server) as caller:
        made = await caller.create_group(1000)
        await caller.cancel_group(made.group.group_id)
    grow_older(server, 25)
    await server.start("--retention", "1")
    async with first_caller(server) as caller:
        watch = caller.watch_many()
        assert (await watch.read()).type == SYNCED
        while len(server.log) == 0 or not any(REMOVED in line for line in server.log):
            task = await caller.create()
            await caller.cancel(task.task_id)
            versions = [message.task.version for message in await take(watch, 2)]
            assert versions == [1, 2]
        watch.cancel()
        await refused(caller.group(made.group.group_id), "GROUP_NOT_FOUND")
        assert (await everything(caller.watch(task.task_id)))[-1].last
    await server.kill()


async def test_when_the_purger_ends_by_a_fault_the_server_leaves(
    tmp_path: Path,
) -> None:
    knobs = drawn_with({"purger.interval": "a while"})
    async with running(
        open_store(url_of(tmp_path / "store.db"), knobs.store), knobs, retention=DAY
    ) as (
        _,
        failing,
    ):
        with pytest.raises(TypeError):
            await asyncio.wait_for(failing, 20)
