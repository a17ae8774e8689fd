"""The Python client: what other services import to cancel work and to watch it end.

    async with Client("127.0.0.1:50051", api_key) as client:
        answer = await client.cancel_task(task_id, reason="customer_requested")
        async for message in client.watch_task(task_id):
            print(TaskState.Name(message.task.state))

The messages are those of `countermand.v1`.
"""

from countermand.client.client import Client
from countermand.client.errors import CountermandError
from countermand.client.runtime import Agent, Charge, ChargeRefused, Stopped, TaskLost, Work

__all__ = [
    "Agent",
    "Charge",
    "ChargeRefused",
    "Client",
    "CountermandError",
    "Stopped",
    "TaskLost",
    "Work",
]
