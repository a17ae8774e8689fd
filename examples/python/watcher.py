"""Follows the task whose id is its argument to its end: prints every version once, in order.

The client opens the watch again when the connection breaks, after the version that it saw last.
"""

import asyncio
import sys

from countermand.client import Client
from countermand.v1.cancellation_service_pb2 import WATCH_TYPE_HEARTBEAT
from countermand.v1.task_pb2 import TaskState


async def main(task_id: str) -> None:
    async with Client.from_environment() as client:
        async for message in client.watch_task(task_id, after_version=0):
            if message.type != WATCH_TYPE_HEARTBEAT:
                task = message.task
                print(task.version, TaskState.Name(task.state), flush=True)


asyncio.run(main(sys.argv[1]))
