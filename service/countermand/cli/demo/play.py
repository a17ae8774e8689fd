"""The play: what the shopper, the agents and Countermand do, in order."""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple
from uuid import uuid4

from countermand.cli.demo.agents import buy
from countermand.cli.demo.board import Board
from countermand.cli.demo.sales import GRACE_SECONDS, Sale
from countermand.cli.output import NONE, word
from countermand.client import Client
from countermand.v1.cancellation_pb2 import Cancellation, CancellationState, Disposition
from countermand.v1.task_pb2 import CancelProof, TaskState

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


async def play(client: Client, sale: Sale, board: Board) -> None:
    """Plays it from the first task to the last CANCELLED, and shows it on the board."""
    created = await sale.open([role.merchant for role in _CAST])
    merchants = {task.task_id: task.merchant for task in created}
    board.expect(merchants)
    board.say(sale.opening())

    with board.shown():
        async with asyncio.TaskGroup() as crew:
            watch = crew.create_task(_follow(sale, board))
            performance = uuid4().hex[:3]  # an agent of an earlier demo may still have its lease
            for role, task_id in zip(_CAST, merchants, strict=True):
                agent_id = f"{role.manner}-{performance}"
                crew.create_task(buy(client, agent_id, task_id, role.wind_down, board.say))
                await asyncio.sleep(_BETWEEN_STARTS)
            await asyncio.sleep(_SHOPPING)

            board.say(f"The shopper thinks again: {sale.cancel_name}, {GRACE_SECONDS} s to stop.")
            board.cancel_is_sent()
            accepted = await sale.cancel()
            board.say(f"Accepted, and on disk, after {board.since_cancel():.0f} ms.")
            await watch
            board.say(f"All three have ended CANCELLED, {board.since_cancel():.0f} ms after.")

    await sale.show_end(board)
    found = (await client.get_cancellation(accepted.cancellation_id)).cancellation
    _sum_up(found, merchants, board)


async def _follow(sale: Sale, board: Board) -> None:
    async for message in sale.watch():
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
