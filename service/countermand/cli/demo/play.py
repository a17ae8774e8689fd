"""The play: what the shopper, the agents and Countermand do, in order."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple
from uuid import uuid4

from countermand.cli.demo.agents import DemoAgent
from countermand.cli.demo.board import Board
from countermand.cli.output import NONE, word
from countermand.client import Client
from countermand.v1.cancellation_pb2 import Cancellation, CancellationState, Disposition
from countermand.v1.task_pb2 import CancelProof, TaskState
from countermand.v1.task_service_pb2 import CreateTaskRequest

_GRACE_SECONDS = 4
_BETWEEN_STARTS = 0.5
_SHOPPING = 2.0


class _Role(NamedTuple):
    merchant: str
    manner: str
    wind_down: float | None
    """Seconds from the request to stop to the acknowledgement; None for an agent that ignores
    it."""


_CAST = (
    _Role("Fern & Fable Books", "prompt", 0.2),
    _Role("Harbour Light Coffee", "thorough", 2.0),
    _Role("Wool and Whistle", "stubborn", None),
)


async def play(client: Client, board: Board) -> None:
    """Plays it from the first task to the last CANCELLED, and shows it on the board."""
    tasks = [CreateTaskRequest(merchant=role.merchant) for role in _CAST]
    created = await client.create_group(tasks, closed=True)
    group_id = created.group.group_id
    merchants = {task.task_id: task.merchant for task in created.tasks}
    board.expect(merchants)
    board.say(f"A shopper buys at three merchants at once: group {group_id}.")

    with board.shown():
        async with asyncio.TaskGroup() as crew:
            watch = crew.create_task(_follow(client, group_id, board))
            performance = uuid4().hex[:3]  # an agent of an earlier demo may still have its lease
            for role, task_id in zip(_CAST, merchants, strict=True):
                agent_id = f"{role.manner}-{performance}"
                agent = DemoAgent(client, agent_id, role.wind_down, board.say)
                await agent.start(task_id)
                crew.create_task(agent.work())
                await asyncio.sleep(_BETWEEN_STARTS)
            await asyncio.sleep(_SHOPPING)

            board.say(f"The shopper thinks again: CancelGroup, {_GRACE_SECONDS} s to wind down.")
            board.cancel_is_sent()
            accepted = await client.cancel_group(
                group_id,
                reason="customer_requested",
                message="The shopper thought again.",
                grace_period=timedelta(seconds=_GRACE_SECONDS),
            )
            board.say(f"Accepted, and on disk, after {board.since_cancel():.0f} ms.")
            await watch
            board.say(f"All three have ended CANCELLED, {board.since_cancel():.0f} ms after.")

    cancellation_id = accepted.cancellation.cancellation_id
    found = (await client.get_cancellation(cancellation_id)).cancellation
    _sum_up(found, merchants, board)


async def _follow(client: Client, group_id: str, board: Board) -> None:
    async for message in client.watch_group(group_id):
        if message.HasField("task"):
            board.hear(message.task)


def _sum_up(found: Cancellation, merchants: Mapping[str, str], board: Board) -> None:
    state = word(CancellationState, found.state)
    board.say(f"Cancellation {found.cancellation_id}: {state}, {found.reason}")
    for result in found.results:
        merchant = merchants.get(result.task_id, NONE)
        board.say(
            f"  {merchant:<20}  {word(Disposition, result.disposition)}"
            f"  {word(TaskState, result.task_state)}  {word(CancelProof, result.cancel_proof)}"
        )
    board.say(f"Its trace: {found.trace_id}")
