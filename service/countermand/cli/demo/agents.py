"""The demo's agents: what a worker does that runs tasks under Countermand."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from countermand.cli.output import word
from countermand.client import Agent, Client, Stopped
from countermand.v1.task_pb2 import CANCEL_PROOF_FORCED, CancelProof

_LEASE = timedelta(seconds=10)


async def buy(
    client: Client,
    agent_id: str,
    task_id: str,
    wind_down: float | None,
    say: Callable[[str], None],
) -> None:
    """Buys at one merchant, until it is asked to stop. Then it needs `wind_down` seconds; None
    means that it goes on as if nothing had been said."""
    async with (
        Agent(client, agent_id, lease_duration=_LEASE) as agent,
        agent.task(task_id, on_stop="offer") as work,
    ):
        await work.wait_for_stop()
        await (asyncio.Event().wait() if wind_down is None else asyncio.sleep(wind_down))
        raise Stopped
    if work.task.cancel_proof == CANCEL_PROOF_FORCED:
        proof = word(CancelProof, work.task.cancel_proof)
        say(f"{agent_id} would not stop: its task ended without it, {proof}")
