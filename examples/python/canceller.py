"""Cancels the tasks whose ids come on stdin, one a line, through restarts of the server.

    countermand list tasks --json | jq -r .task_id | python canceller.py

The client gives each cancel a request id, and repeats it with the same one until it is answered.
"""

import asyncio
import sys

from countermand.client import Client


async def main() -> None:
    async with Client.from_environment(timeout=60) as client:

        async def cancel(task_id: str) -> None:
            answer = await client.cancel_task(task_id, reason="customer_requested")
            print(task_id, answer.cancellation.cancellation_id, flush=True)

        async with asyncio.TaskGroup() as cancels:
            while line := await asyncio.to_thread(sys.stdin.readline):
                cancels.create_task(cancel(line.strip()))


asyncio.run(main())
