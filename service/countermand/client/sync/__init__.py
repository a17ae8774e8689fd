"""The Python client for programs without asyncio.

    with Client("127.0.0.1:50051", api_key) as client:
        answer = client.cancel_task(task_id, reason="customer_requested")
        for message in client.watch_task(task_id):
            print(TaskState.Name(message.task.state))

It is `countermand.client` in a thread of its own: the same methods, retries and watches.
"""

from countermand.client.errors import CountermandError
from countermand.client.runtime.errors import ChargeRefused, Stopped, TaskLost
from countermand.client.sync.client import Client
from countermand.client.sync.runtime import Agent, Charge, Work

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
