"""PostgreSQL fails under a server in every way: no answer is lost, and nobody waits long.

The short round has each fault once; the full one again and again, at other moments.
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from countermand.core.knobs import PostgresKnobs
from countermand.store.postgres.address import parse_address
from countermand.store.postgres.migrating import migrate
from countermand.store.postgres.statements import migrations
from tests.support.caller import Caller, first_caller, new_id, span
from tests.support.ledger import Ledger
from tests.support.postgres import Cluster, cluster_folder
from tests.support.postgres_proxy import Proxy, proxy_to
from tests.support.process import usage
from tests.support.server import Server
from tests.support.waiting import until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
ROUNDS = 10 if FULL else 1
CALLERS = 8
PLANTED_STEPS = 200 if FULL else 1
"""Pairs of steps that a later release would have."""
CANCELS_PER_SECOND = 200
"""How many are served while the steps are applied."""
MAX_WAIT = 11
"""Seconds after which every call has its answer."""
MAX_GAP = 5
"""Seconds after the promotion until a call is answered with OK."""
SPARE_THREADS = 3
"""Those of the loop's own pool start when they are first needed."""
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
KNOBS = {"store.postgres.max_wait": 10.0 if FULL else 3.0}
"""The short round does not wait as long for a server that does not answer."""


class Pair(list[Cluster]):
    """A primary and its synchronous standby, or what is left of them."""

    @property
    def hosts(self) -> str:
        return ",".join(f"127.0.0.1:{cluster.port}" for cluster in self)

    @property
    def url(self) -> str:
        return f"postgresql://postgres:correct-horse@{self.hosts}/postgres"


@contextmanager
def pair() -> Iterator[Pair]:
    with cluster_folder() as folder:
        primary = Cluster(folder, "primary").make()
        found = Pair([primary, primary.standby()])
        primary.set(synchronous_standby_names="*")
        try:
            yield found
        finally:
            for cluster in found:
                cluster.thaw()
                cluster.kill()


@asynccontextmanager
async def serving(folder: Path, url: str) -> AsyncIterator[tuple[Server, Caller]]:
    server = Server(folder, knobs=KNOBS)
    server.store_url = url
    try:
        await server.start()
        async with first_caller(server) as caller:
            yield server, caller
    finally:
        await server.kill()


class Traffic:
    """Callers that cancel one task after the other, and try again with the same request id."""

    def __init__(self, caller: Caller, callers: int = CALLERS, pause: float = 0.02) -> None:
        """Each caller pauses for so many seconds behind each cancel: the machine has more to do."""
        self._caller = caller
        self._callers = callers
        self._pause = pause
        self.task_ids: list[str] = []
        """Tasks to begin with; when all are cancelled, each caller makes its own."""
        self.ledger = Ledger()
        self.cancelled: dict[str, str] = {}
        """The cancellation of each task, as it was answered."""
        self.longest = 0.0
        self.last_ok = 0.0
        self.refused = 0
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._cancel_on()) for _ in range(self._callers)]

    async def stop(self) -> None:
        self._stopping = True
        await asyncio.gather(*self._tasks)

    async def _cancel_on(self) -> None:
        while not self._stopping:
            if self.task_ids:
                task_id = self.task_ids.pop()
            else:
                task_id = new_id()
                await self._insist(lambda id=task_id: self._caller.create(task_id=id))
            request_id = new_id()
            answer = await self._insist(
                lambda id=task_id, request=request_id: self._caller.cancel(
                    id, request_id=request, grace_period=span(600)
                )
            )
            self.ledger.note(answer.task)
            self.cancelled[task_id] = answer.cancellation.cancellation_id
            await asyncio.sleep(self._pause)

    async def _insist(self, call: Callable[[], Any]) -> Any:
        while True:
            begin = time.monotonic()
            try:
                answer = await call()
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.ALREADY_EXISTS:
                    return None  # The first try of this id was done after all.
                if error.code() is not UNAVAILABLE:
                    raise
                self.refused += 1
                await asyncio.sleep(0.05)  # as a client does
            else:
                self.last_ok = time.monotonic()
                return answer
            finally:
                self.longest = max(self.longest, time.monotonic() - begin)

    async def broken(self) -> list[str]:
        """Returns what was answered and is not so."""
        found = await self.ledger.broken_promises(self._caller)
        for cancellation in await self._caller.listed():
            task_id = cancellation.task_id
            known = self.cancelled.pop(task_id, None)
            if known != cancellation.cancellation_id:
                found.append(f"task {task_id} has {cancellation.cancellation_id}, and not {known}")
        return found + [f"the cancel of {task_id} is lost" for task_id in self.cancelled]


async def health(caller: Caller) -> int:
    stub = health_pb2_grpc.HealthStub(caller.channel)
    return int((await stub.Check(health_pb2.HealthCheckRequest(), timeout=5)).status)


async def until_health(caller: Caller, status: int) -> None:
    async with asyncio.timeout(30):
        while await health(caller) != status:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def fail_over(
    tmp_path: Path, report: Callable[..., None], fault: str, *, freezes: bool
) -> None:
    """Takes the primary away under traffic, promotes its standby, and looks at what is left."""
    with pair() as clusters:
        primary, standby = clusters
        async with serving(tmp_path, clusters.url) as (server, caller):
            assert server.process is not None
            pid = server.process.pid
            traffic = Traffic(caller)
            traffic.start()
            await until(lambda: len(traffic.cancelled) > 20)
            await asyncio.sleep(random.uniform(0, 1) if FULL else 0)
            before = usage(server)
            lost_at = time.monotonic()
            if freezes:
                primary.freeze()
                await until(lambda: traffic.refused >= CALLERS)
            else:
                primary.kill()
            await until_health(caller, health_pb2.HealthCheckResponse.NOT_SERVING)
            standby.promote()
            promoted_at = time.monotonic()
            await until(lambda: traffic.last_ok > promoted_at)
            gap = traffic.last_ok - promoted_at
            await until_health(caller, health_pb2.HealthCheckResponse.SERVING)
            if freezes:
                primary.thaw()  # It takes writes, and must see none of ours.
            done = len(traffic.cancelled)
            await until(lambda: len(traffic.cancelled) > done + 20)
            await traffic.stop()
            # What is just being opened or closed is no leak.
            await until(lambda: usage(server).files <= before.files)
            after = usage(server)
            operations = len(traffic.cancelled)
            broken = await traffic.broken()
            report(fault, 1, operations, len(broken))
            assert not broken
            assert gap < MAX_GAP
            assert traffic.longest < MAX_WAIT
            assert promoted_at - lost_at < 2 * MAX_WAIT
            assert server.process.pid == pid
            assert after.threads <= before.threads + SPARE_THREADS
            said = "\n".join(server.log)
            assert "the database was lost" in said
            assert "the database is back at" in said
            assert "correct-horse" not in said


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_a_killed_primary_is_followed_to_its_standby(tmp_path, chaos_report, number):
    await fail_over(tmp_path, chaos_report, "primary killed", freezes=False)


@pytest.mark.parametrize("number", range(ROUNDS))
async def test_a_frozen_primary_is_left_and_not_believed_when_it_wakes(
    tmp_path, chaos_report, number
):
    await fail_over(tmp_path, chaos_report, "primary frozen", freezes=True)


def add_steps(url: str) -> float:
    """Migrates as a release after this one would, which only adds; in the full round as many of
    them. Returns how many seconds that took."""
    steps, newest = list(migrations()), migrations()[-1][0]
    for number in range(PLANTED_STEPS):
        tasks = f"ALTER TABLE tasks ADD COLUMN more{number} bigint NOT NULL DEFAULT {number}"
        others = (
            f"ALTER TABLE positions ADD COLUMN more{number} text;"
            f" CREATE TABLE more{number} (n bigint)"
        )
        steps += [(newest + 2 * number + 1, tasks), (newest + 2 * number + 2, others)]
    begin = time.monotonic()
    with psycopg.connect(url, autocommit=True) as connection:
        migrate(connection, parse_address(url), steps, PostgresKnobs())
    return time.monotonic() - begin


async def test_the_release_before_goes_on_while_its_database_is_migrated_and_after_it(
    tmp_path, chaos_report, database
):
    """No call is refused, or waits for as long as a step may wait for its locks; in the full round
    two hundred cancels a second are served meanwhile."""
    async with serving(tmp_path, database) as (server, caller):
        traffic = Traffic(caller)
        if FULL:
            traffic = Traffic(caller, callers=32, pause=0.0)
            made = await caller.create_group(10_000)
            traffic.task_ids = [task.task_id for task in made.tasks]
        traffic.start()
        await until(lambda: len(traffic.cancelled) > 20)
        begun = len(traffic.cancelled)
        seconds = await asyncio.to_thread(add_steps, database)
        done = len(traffic.cancelled)
        rate = (done - begun) / seconds
        print(f"{rate:,.0f} cancels/s during {seconds:.1f} s of steps; {traffic.longest:.3f} s")
        assert not FULL or rate >= CANCELS_PER_SECOND
        await until(lambda: len(traffic.cancelled) > done + 20)
        await traffic.stop()
        assert traffic.refused == 0
        assert traffic.longest < 2 * PostgresKnobs().migration_lock_timeout
        operations, broken = len(traffic.cancelled), await traffic.broken()
        chaos_report("migrated", 1, operations, len(broken))
        assert not broken
        await server.kill()
        await server.start()
        await caller.create()


async def unknown_cancel(caller: Caller, disturb: Callable[[], Any]) -> tuple[str, str]:
    """Disturbs the commit of a cancel, which must be UNAVAILABLE. Returns its task and request."""
    for _ in range(20):  # The commit that is hit may be one of the server's own.
        task = await caller.create()
        request_id = new_id()
        disturb()
        try:
            await caller.cancel(task.task_id, grace=600, request_id=request_id)
        except grpc.aio.AioRpcError as error:
            if error.code() is not UNAVAILABLE:
                raise
            return task.task_id, request_id
    raise AssertionError("no cancel was hit")


async def retried(caller: Caller, task_id: str, request_id: str) -> Any:
    """Returns the first answer other than UNAVAILABLE to a retry."""
    async with asyncio.timeout(MAX_WAIT):
        while True:
            try:
                return await caller.cancel(task_id, grace=600, request_id=request_id)
            except grpc.aio.AioRpcError as error:
                if error.code() is not UNAVAILABLE:
                    raise
                await asyncio.sleep(0.05)


async def expect_one(caller: Caller, task_id: str, answer: Any) -> None:
    listed = [one for one in await caller.listed() if one.task_id == task_id]
    assert [one.cancellation_id for one in listed] == [answer.cancellation.cancellation_id]


async def test_an_unknown_outcome_is_unavailable_and_its_retry_makes_one_cancellation(
    tmp_path, chaos_report
):
    """A connection is cut before, in and after a COMMIT; a backend is cancelled and ended while its
    commit waits for a standby that does not answer."""
    with pair() as clusters, proxy_to(clusters[0].port) as proxy:
        primary, standby = clusters
        url = primary.url(port=proxy.port)
        async with serving(tmp_path, url) as (server, caller):
            await caller.create()
            hit = 0
            for where in ("before", "in", "after") * ROUNDS:
                task_id, request_id = await unknown_cancel(
                    caller, lambda where=where: cut_next_commit(proxy, where)
                )
                answer = await retried(caller, task_id, request_id)
                await expect_one(caller, task_id, answer)
                hit += 1
            for how in ("pg_cancel_backend", "pg_terminate_backend") * ROUNDS:
                task = await caller.create()
                request_id = new_id()
                standby.freeze()
                cancelling = asyncio.create_task(
                    caller.cancel(task.task_id, grace=600, request_id=request_id)
                )
                await asyncio.to_thread(end_wait, primary, how)
                with pytest.raises(grpc.aio.AioRpcError) as failure:
                    await cancelling
                assert failure.value.code() is UNAVAILABLE
                standby.thaw()
                answer = await retried(caller, task.task_id, request_id)
                assert answer.replayed
                await expect_one(caller, task.task_id, answer)
                hit += 1
            assert proxy.cancels == 0
            assert "cannot write any more, and leave" not in "\n".join(server.log)
            chaos_report("outcome unknown", hit, hit, 0)


def cut_next_commit(proxy: Proxy, where: str) -> None:
    if proxy.cut is None:
        proxy.cut_at("COMMIT", where)


def end_wait(primary: Cluster, how: str) -> None:
    """Ends the first commit that waits for the standby."""
    asked = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    end = time.monotonic() + 10
    while not (found := primary.execute(asked)):
        assert time.monotonic() < end
        time.sleep(0.02)  # nothing signals it
    primary.execute(f"SELECT {how}({found[0][0]})")
