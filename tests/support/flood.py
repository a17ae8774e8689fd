"""A caller that calls too often, in a process of its own so that it takes no time from others.

    python -m tests.support.flood HOST:PORT KEY CALLS_PER_SECOND

It creates tasks until its stdin is closed. It prints each answer, `let_in` or the reason of a
refusal, when it comes for the first time, and in the end, as JSON, how often each came.
"""

import asyncio
import json
import sys
import time
from collections import Counter

import grpc

from countermand.v1.task_service_pb2 import CreateTaskRequest
from countermand.v1.task_service_pb2_grpc import TaskServiceStub
from tests.support.refusals import refusal_of

MAX_AT_ONCE = 100
"""So that a machine that is too slow for the pace has no mountain to work off."""


async def flood(address: str, key: str, per_second: int) -> dict[str, float]:
    """Calls at this pace, whatever it is answered."""
    answers: Counter[str] = Counter()
    delays = [0.0]
    under_way: set[asyncio.Task[None]] = set()

    def count(answer: str) -> None:
        if answer not in answers:
            print(answer, flush=True)
        answers[answer] += 1

    async def call() -> None:
        try:
            await tasks.CreateTask(CreateTaskRequest(), metadata=(("x-api-key", key),), timeout=30)
            count("let_in")
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                answers[error.code().name] += 1  # gRPC itself puts off what comes all at once
                return
            refusal = refusal_of(error)
            count(refusal.reason)
            delays.append(refusal.retry_seconds or 0)

    async with grpc.aio.insecure_channel(address) as channel, asyncio.TaskGroup() as calls:
        tasks = TaskServiceStub(channel)
        enough = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
        begin, sent = time.monotonic(), 0
        while not enough.done():
            while sent < (time.monotonic() - begin) * per_second:
                sent += 1
                if len(under_way) < MAX_AT_ONCE:
                    task = calls.create_task(call())
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
            await asyncio.sleep(0.005)
    seconds = time.monotonic() - begin  # with those that were under way at last
    return {**answers, "seconds": seconds, "longest_delay": max(delays)}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(flood(sys.argv[1], sys.argv[2], int(sys.argv[3])))))
