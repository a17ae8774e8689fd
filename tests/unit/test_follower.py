"""Watches on one server show what others commit: every version once, in order, to the end."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from countermand.core.errors import Reason, Refused
from countermand.core.log import TaskFilter
from countermand.core.retention import DAY
from tests.support.ask import G1, NS, T1, cancel, create, create_group, purges, start
from tests.support.engine import HOUR
from tests.support.followed import follow_everything
from tests.support.knobs import drawn_with
from tests.support.replicas import Replica, replicas

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"


@pytest.fixture(params=[0.002, 3600.0], ids=["polled", "woken"])
async def servers(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[list[Replica]]:
    """Three, whose followers look often; or never by themselves, but are woken after commits."""
    knobs = drawn_with({"watching.follower.poll_interval": request.param})
    async with replicas(tmp_path / "store.db", 3, knobs) as servers:
        if request.param > 1:
            for server in servers:
                server.writer.listen(lambda _: [one.follower.wake() for one in servers])
        yield servers


@pytest.mark.parametrize("seed", range(8 if FULL else 1))
async def test_every_watch_on_every_server_shows_every_version_once_in_order(
    servers: list[Replica], seed: int
) -> None:
    await follow_everything(servers, seed)


async def test_a_watch_shows_nothing_of_a_store_that_lost_what_it_showed(tmp_path: Path) -> None:
    """Not even while it reads page after page: nothing is shown before the log was looked at."""
    knobs = drawn_with(
        {
            "watching.follower.poll_interval": 3600.0,
            "watching.pages.page_size": 1,
            "watching.pages.max_batch": 1,
        }
    )
    async with (
        replicas(tmp_path / "store.db", 1, knobs) as [server],
        replicas(tmp_path / "other.db", 1, knobs) as [other],
    ):
        for one in (server, other):
            for command in (create(T1), start(T1), cancel(T1)):
                await one.do(command)
        watch = server.following(server.watch.task, NS, T1, 0, HOUR)
        assert [(await anext(watch)).task.version for _ in range(2)] == [1, 2]
        server.store.become(other.store)
        with pytest.raises(Refused) as caught:
            await anext(watch)
        assert caught.value.reason is Reason.STORE_UNAVAILABLE


async def test_a_watch_ends_when_another_server_removes_its_group_of_which_the_log_says_nothing(
    servers: list[Replica],
) -> None:
    removing, watching = servers[:2]
    await removing.do(create_group())
    watch = watching.following(watching.watch.tasks, NS, TaskFilter(G1), None, HOUR)
    assert str((await anext(watch)).kind) == "SYNCED"
    following = asyncio.ensure_future(anext(watch))
    await watching.follower.look()
    steps = purges(removing.clock.now() + 40 * DAY, 30 * DAY)
    purge = next(steps)
    with suppress(StopIteration):
        while True:
            [purged] = await removing.do(purge)
            purge = steps.send(purged)
    with pytest.raises(Refused) as caught:
        await following
    assert caught.value.reason is Reason.GROUP_NOT_FOUND
