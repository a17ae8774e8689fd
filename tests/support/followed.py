"""Several servers on one store: writes on all, and watches of everything on all."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from typing import Any

from countermand.core.commands import Command
from countermand.core.errors import Refused
from countermand.core.log import TaskFilter
from countermand.engine.watching.messages import Message
from tests.support.ask import (
    G1,
    NS,
    O1,
    X1,
    acknowledged,
    cancel,
    cancel_group,
    cancel_order,
    completed,
    create,
    create_checkout,
    create_group,
    create_order,
    start,
    target,
    uid,
    update_checkout,
    update_order,
)
from tests.support.engine import HOUR
from tests.support.replicas import Replica

TASKS = [uid(number) for number in range(0x100, 0x110)]
IN_GROUP, IN_CHECKOUT, IN_ORDER = TASKS[:5], TASKS[5:10], TASKS[10:15]
OWN_AGENT = "agent-1"


async def _read(messages: AsyncIterator[Any], until: Callable[[Any], bool]) -> list[Any]:
    seen = []
    async with aclosing(messages):
        async for message in messages:
            if str(message.kind) != "HEARTBEAT":
                seen.append(message)
            if until(message):
                break
    return seen


def _is_in_order(seen: list[Message]) -> None:
    """Every version of each task once, in order, from the first that was shown."""
    versions: dict[str, int] = {}
    for message in seen:
        if message.task is not None:
            before = versions.get(message.task.task_id)
            assert before is None or message.task.version == before + 1
            versions[message.task.task_id] = message.task.version
    places = [message.place.seq for message in seen if message.place is not None]
    assert places == sorted(places)


def _script(draw: random.Random) -> list[Command]:
    """What happens to each task in its order, and all of them in some order."""
    lives = [
        [start(id, agent_id=draw.choice([OWN_AGENT, "agent-2"]))]
        + ([cancel(id)] if draw.random() < 0.3 else [])
        + [draw.choice([completed, acknowledged])(id)]
        for id in TASKS[:15]
    ]
    lives += [[update_order(data=b"%d" % n) for n in range(6)]]
    lives += [[update_checkout(data=b"%d" % n) for n in range(6)]]
    script = []
    while lives:
        life = draw.choice(lives)
        script.append(life.pop(0))
        if not life:
            lives.remove(life)
    return script


async def follow_everything(servers: list[Replica], seed: int) -> None:
    """Every watch on every server shows every version once, in order, to its end."""
    draw = random.Random(seed)
    await servers[0].do(create_group(*IN_GROUP), create_checkout(*IN_CHECKOUT))
    await servers[1].do(create_order(*IN_ORDER, checkout_ids=(X1,)), create(TASKS[15]))
    chosen = {
        "group": TaskFilter(G1),
        "checkout": TaskFilter(None, X1),
        "order": TaskFilter(None, None, O1),
        "agent": TaskFilter(agent_id=OWN_AGENT),
        "all": TaskFilter(),
    }
    readings: dict[tuple[int, str], Any] = {}

    def over(name: str) -> Callable[[Message], bool]:
        if name in ("agent", "all"):  # These end with a task that nothing else is about.
            return lambda m: (
                m.task is not None and m.task.task_id == TASKS[15] and m.task.version == 3
            )
        return lambda m: m.last

    for number, server in enumerate(servers):
        for name, one in chosen.items():
            following = server.following(server.watch.tasks, NS, one, None, HOUR)
            readings[number, name] = asyncio.create_task(_read(following, over(name)))
        for id in (TASKS[0], TASKS[7]):
            following = server.following(server.watch.task, NS, id, 0, HOUR)
            readings[number, id] = asyncio.create_task(_read(following, lambda m: m.last))
        records = server.watch.records
        for kind, id in (("order", O1), ("checkout", X1)):
            following = server.following(records.follow, target(kind, id), 0, HOUR)
            readings[number, kind + " record"] = asyncio.create_task(
                _read(following, lambda m: m.last)
            )

    for command in _script(draw):
        with suppress(Refused):  # A cancel and an end may meet.
            await draw.choice(servers).do(command)
        if draw.random() < 0.3:
            await asyncio.sleep(0.002)
    await draw.choice(servers).do(cancel_group(), cancel_order())
    for id in TASKS[:15]:
        with suppress(Refused):  # Most have ended.
            await draw.choice(servers).do(acknowledged(id))
    await draw.choice(servers).do(start(TASKS[15], agent_id=OWN_AGENT))
    await draw.choice(servers).do(completed(TASKS[15]))
    _, late = await asyncio.wait(readings.values(), timeout=60)
    assert not [key for key, reading in readings.items() if reading in late]
    seen = {key: reading.result() for key, reading in readings.items()}
    for (number, name), messages in seen.items():
        if name.endswith("record"):
            versions = [message.reading.holder.version for message in messages]
            assert versions == list(range(1, len(versions) + 1)), (number, name)
            continue
        _is_in_order(messages)
        if name in (TASKS[0], TASKS[7]):
            assert [m.task.version for m in messages if m.task] == list(
                range(1, len(messages) + 1)
            ), (number, name)
    # And each server showed the same.
    for name in [name for number, name in seen if number == 0]:
        ends = [
            {m.task.task_id: m.task.version for m in seen[number, name] if getattr(m, "task", None)}
            for number in range(3)
            if not name.endswith("record")
        ]
        assert all(end == ends[0] for end in ends), name
