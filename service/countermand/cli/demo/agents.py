"""The demo's agents: what a worker does that runs tasks under Countermand."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from datetime import timedelta

from countermand.client import Client, CountermandError
from countermand.v1.agent_service_pb2 import (
    FINISH_OUTCOME_CANCELLED,
    FINISH_OUTCOME_COMPLETED,
)
from countermand.v1.task_pb2 import (
    TASK_STATE_CANCELLED,
    TASK_STATE_CANCELLING,
    TaskFilter,
)

LEASE = timedelta(seconds=10)
_HEARTBEAT_SECONDS = 1.0


class DemoAgent:
    """Buys at one merchant. Asked to stop, it needs `wind_down` seconds; None means that it goes
    on as if nothing had been said."""

    def __init__(
        self, client: Client, agent_id: str, wind_down: float | None, say: Callable[[str], None]
    ) -> None:
        self.agent_id = agent_id
        self._client = client
        self._wind_down = wind_down
        self._say = say
        self._task_id = ""
        self._fence = 0

    async def start(self, task_id: str) -> None:
        """Starts the task; from now on `work` must run."""
        started = await self._client.start_task(task_id, self.agent_id, lease_duration=LEASE)
        self._task_id, self._fence = task_id, started.fence

    async def work(self) -> None:
        """Works until the task is cancelled, and keeps its lease alive meanwhile."""
        async with asyncio.TaskGroup() as both:
            heartbeats = both.create_task(self._keep_lease())
            mine = TaskFilter(agent_id=self.agent_id)
            async with aclosing(self._client.watch_tasks(mine)) as messages:
                async for message in messages:
                    state = message.task.state
                    if state == TASK_STATE_CANCELLING and self._wind_down is not None:
                        await self._stop(self._wind_down)
                        break
                    if state == TASK_STATE_CANCELLED:
                        await self._speak_too_late()
                        break
            heartbeats.cancel()

    async def _stop(self, wind_down: float) -> None:
        await asyncio.sleep(wind_down)
        await self._client.finish_task(self._task_id, self._fence, FINISH_OUTCOME_CANCELLED)

    async def _keep_lease(self) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT_SECONDS)
            await self._client.heartbeat(self.agent_id, lease_duration=LEASE)

    async def _speak_too_late(self) -> None:
        try:
            await self._client.finish_task(self._task_id, self._fence, FINISH_OUTCOME_COMPLETED)
        except CountermandError as refusal:
            self._say(f"{self.agent_id} says too late that it is done: {refusal.reason}")
