"""The end of a run: everything is cancelled, asked for once more, and watched to its end."""

import asyncio
from collections.abc import Callable
from typing import Any

from countermand.v1 import agent_service_pb2 as a
from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import task_service_pb2 as t
from tests.chaos.robustness.board import Board
from tests.chaos.robustness.clients import Client, ServerFailed
from tests.chaos.robustness.history import Call
from tests.chaos.robustness.traffic import AGENTS
from tests.support.caller import span

LIVE = ("TASK_STATE_PENDING", "TASK_STATE_RUNNING", "TASK_STATE_CANCELLING")
CANCELS: dict[str, Callable[..., Any]] = {
    "order": c.CancelOrderRequest,
    "checkout": c.CancelCheckoutRequest,
    "group": c.CancelGroupRequest,
    "task": c.CancelTaskRequest,
}


async def end_everything(client: Client, board: Board) -> None:
    """Cancels all that a tenant has, with no grace, and returns when every task has ended."""
    for kind in ("order", "checkout", "group"):
        for id in board.every[kind]:
            await _cancel(client, board, kind, id)
    while live := await _live_tasks(client):
        for task_id in live:
            await _cancel(client, board, "task", task_id)


async def ask_again(client: Client, board: Board) -> None:
    """Repeats every cancel and settlement that was accepted: its request id must still answer."""
    for request in [*board.cancels, *board.settlements]:
        await insist(client, request)


async def make_marker(client: Client, board: Board) -> str:
    """Runs one more task to its end, and returns it: who was told of it was told of all before."""
    task_id = board.new_uuid()
    await insist(client, t.CreateTaskRequest(task_id=task_id))
    started = await insist(client, a.StartTaskRequest(task_id=task_id, agent_id=AGENTS[0]))
    fence = started.answer.fence
    await insist(
        client,
        a.FinishTaskRequest(task_id=task_id, fence=fence, outcome="FINISH_OUTCOME_COMPLETED"),
    )
    return task_id


async def insist(client: Client, request: Any) -> Call:
    """Asks until the server answers, with OK or a refusal."""
    while True:
        call = await client.call(request)
        if not call.unknown:
            return call
        await asyncio.sleep(0.05)


async def _cancel(client: Client, board: Board, kind: str, id: str) -> None:
    fields = {"grace_period": span(0), "message": f"last {id}", "request_id": board.new_uuid()}
    await insist(client, CANCELS[kind](**{f"{kind}_id": id}, **fields))


async def _live_tasks(client: Client) -> list[str]:
    found: list[str] = []
    request = t.ListTasksRequest(states=LIVE, page_size=1000)
    while True:
        call = await insist(client, request)
        if not call.done:
            raise ServerFailed(f"a plain list of tasks was refused: {call.reason}")
        page = call.answer
        found += [task.task_id for task in page.tasks]
        if not page.next_page_token:
            return found
        request = t.ListTasksRequest(states=LIVE, page_size=1000, page_token=page.next_page_token)
