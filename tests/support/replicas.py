"""Several servers' worth of moving parts on one store."""

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from countermand.core.commands import Command
from countermand.core.decide import Batch
from countermand.core.ids import UuidMaker
from countermand.core.knobs import Knobs
from countermand.core.records import Target
from countermand.core.states import TargetKind
from countermand.engine.clock import Clock
from countermand.engine.watching.follower import Follower
from countermand.engine.watching.hub import Hub
from countermand.engine.watching.page_cache import PageCache
from countermand.engine.watching.watch import Watch
from countermand.engine.writer import Writer
from countermand.store.lists import LogEnd, Touched
from tests.support.engine import Following, SeenWatcher
from tests.support.knobs import DRAWN
from tests.support.stores import Keeper, sqlite_store

HOUR = 3_600_000_000

ENDS = """
SELECT json_group_array(json_array(p.namespace_no, p.last_seq, coalesce(e.time, 0), p.floor_seq))
FROM namespaces AS p
LEFT JOIN events AS e ON e.namespace_no = p.namespace_no AND e.seq = p.last_seq
"""
TOUCHED = """
SELECT json_group_array(json_array(
    e.task_no, lower(hex(t.task_id)), lower(hex(t.group_id)), t.checkout_id, t.order_id, t.agent_id,
    json((SELECT json_group_array(o.order_id) FROM order_checkouts AS o
          WHERE o.namespace_no = e.namespace_no AND o.checkout_id = t.checkout_id)),
    e.record_kind, iif(e.record_kind IN ('CHECKOUT', 'ORDER'), CAST(e.record_id AS TEXT), NULL)
))
FROM events AS e LEFT JOIN tasks AS t ON t.task_no = e.task_no
WHERE e.namespace_no = ? AND e.seq > ? AND e.seq <= ?
"""


def _uuid(digits: str | None) -> str | None:
    if not digits:
        return None
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


class SharedStore:
    """One SQLite store to which several writers commit, one after the other."""

    def __init__(self, path: Path, knobs: Knobs) -> None:
        self.real = sqlite_store(path, knobs.store)
        self._turn = asyncio.Lock()

    async def commit(self, batch: Batch) -> float:
        async with self._turn:
            return await self.real.commit(batch)

    async def _all(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        def read(reader: Any) -> Any:
            return json.loads(reader._connection.execute(sql, parameters).fetchone()[0])

        found: list[Any] = await self.real._watches.read(0, read)
        return found

    async def log_ends(self, namespaces: Collection[int] | None) -> dict[int, LogEnd]:
        return {
            number: LogEnd(*end)
            for number, *end in await self._all(ENDS)
            if namespaces is None or number in namespaces
        }

    async def touched(
        self, namespace: int, after: int, through: int, limit: int
    ) -> list[Touched] | None:
        found = await self._all(TOUCHED, (namespace, after, through))
        if len(found) > limit or any(row[0] is None and row[7] is None for row in found):
            return None
        touched = []
        for number, task, group, checkout, order, agent, orders, kind, record in found:
            about = None
            if kind in ("CHECKOUT", "ORDER"):
                about = Target(TargetKind(kind), namespace, record)
            under = {*orders, *([order] if order else [])} if number else set()
            touched.append(Touched(_uuid(task), _uuid(group), checkout, tuple(under), agent, about))
        return touched

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class Replica:
    """The writer, the hub and the watches of one server."""

    def __init__(self, store: SharedStore, knobs: Knobs) -> None:
        self.knobs = knobs
        self.writer = Writer(store, Clock(knobs.clock), UuidMaker(), knobs.writer, knobs.pulse)  # type: ignore[arg-type]
        self.hub = Hub(knobs.watching.hub)
        self.follower = Follower(store, self.hub, knobs.watching.follower)
        self.writer.listen(lambda committed: self.follower.take(committed.batch.saves))
        self.watch = Watch(store, self.hub, PageCache(knobs.watching.pages))  # type: ignore[arg-type]

    async def do(self, *commands: Command) -> list[Any]:
        """Submits commands together. Returns their answers, or raises the first refusal."""
        return await asyncio.gather(*[self.writer.submit(command) for command in commands])

    def following(self, watch: Any, *asked: Any) -> Following:
        watcher = SeenWatcher("key-1", self.knobs.watching.watchers)
        return Following(watcher, watch(watcher, *asked))


@asynccontextmanager
async def replicas(path: Path, count: int, knobs: Knobs = DRAWN) -> AsyncIterator[list[Replica]]:
    """So many servers on one store with the two namespaces, whose writers and followers run."""
    store = SharedStore(path, knobs)
    keeper = Keeper(store.real)
    all_of_them = [Replica(store, knobs) for _ in range(count)]
    await store.real.open(all_of_them[0].writer._clock.now())
    await keeper.settle_in()
    writing = [asyncio.create_task(one.writer.run()) for one in all_of_them]
    following = [asyncio.create_task(one.follower.run()) for one in all_of_them]
    try:
        yield all_of_them
    finally:
        for task in following:
            task.cancel()
        for one in all_of_them:
            one.writer.close()
        with suppress(Exception):
            await asyncio.gather(*writing)
        await store.real.close()
