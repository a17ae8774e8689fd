"""Does the pending tasks of the group whose id is its argument, until all of the group has ended.

The runtime keeps the lease, hears stops, and carries the fence. A charge is asked for before money
is taken, and refused once a cancel was accepted.
"""

import asyncio
import os
import sys

from countermand.client import Agent, Client, Work
from countermand.v1.task_pb2 import TaskFilter


async def buy(work: Work) -> None:
    async with work.charge():
        print("paid", work.task.task_id, flush=True)  # take the money here


async def main(group_id: str) -> None:
    agent_id = f"worker-{os.getpid()}"
    async with Client.from_environment() as client, Agent(client, agent_id) as agent:
        await agent.run(buy, filter=TaskFilter(group_id=group_id))


asyncio.run(main(sys.argv[1]))
