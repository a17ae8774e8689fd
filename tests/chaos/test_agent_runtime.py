"""Random runs of the agent's runtime, in asyncio and on threads, while things go wrong around it.

The agent runs in a process of its own, whose bodies say what they do. Beside it their tasks are
cancelled, the server is killed, the connection swallows all, or the process is suspended. Then each
task's history is held to what its body said.
"""

import asyncio
import json
import os
import random
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from countermand.client import Client, CountermandError
from countermand.v1 import task_pb2 as pb
from countermand.v1.task_service_pb2 import CreateTaskRequest
from tests.chaos.robustness.proxy import Proxy
from tests.support.agent_program import CHARGED, CHARGING, ENDED, ENTERED, LEFT
from tests.support.knobs import SEED
from tests.support.server import Server, started

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

FULL = os.environ.get("COUNTERMAND_CHAOS") == "full"
ROUNDS = 5 if FULL else 1
BODIES = 20 if FULL else 6
OUTAGE = 10.0 if FULL else 2.5
SHORT_LEASE = 2.0
GRACE = timedelta(seconds=1)


class Ground(NamedTuple):
    """What faults act on."""

    server: Server
    proxy: Proxy
    process: Process


async def nothing(ground: Ground) -> None:
    """Nothing goes wrong but the bodies, and those who cancel."""


async def killed(ground: Ground) -> None:
    await ground.server.kill()
    await asyncio.sleep(OUTAGE)
    await ground.server.start()


async def cut_off(ground: Ground) -> None:
    """Long enough for the lease to be lost."""
    ground.proxy.swallows = True
    await asyncio.sleep(1.5 * SHORT_LEASE)
    ground.proxy.swallows = False
    ground.proxy.cut()


async def suspended(ground: Ground) -> None:
    with suppress(ProcessLookupError):
        ground.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(1.5 * SHORT_LEASE)
        ground.process.send_signal(signal.SIGCONT)


async def cut(ground: Ground) -> None:
    for _ in range(6):
        ground.proxy.cut()
        await asyncio.sleep(0.3)


FAULTS: list[tuple[Callable[[Ground], Awaitable[None]], float]] = [
    (nothing, 30.0),
    (killed, 30.0),
    (killed, SHORT_LEASE),
    (cut_off, SHORT_LEASE),
    (suspended, SHORT_LEASE),
    (cut, 30.0),
]


@pytest.mark.parametrize("flavour", ["async", "sync"])
@pytest.mark.parametrize(
    ("fault", "lease"), FAULTS, ids=[f"{fault.__name__}-{lease:g}" for fault, lease in FAULTS]
)
async def test_every_task_ends_as_its_body_did_whatever_goes_wrong(
    tmp_path: Path, chaos_report, flavour: str, fault, lease: float
):
    violations: list[str] = []
    proxy = Proxy()
    async with started(tmp_path) as server:
        proxy.start(server.address)
        try:
            for number in range(ROUNDS):
                seed = SEED + number
                violations += await one_round(server, proxy, flavour, fault, lease, seed)
        finally:
            await proxy.close()
    chaos_report(f"agents: {fault.__name__}", ROUNDS * BODIES, ROUNDS * BODIES, len(violations))
    assert violations == []


async def one_round(server: Server, proxy: Proxy, flavour: str, fault, lease: float, seed: int):
    chance = random.Random(seed)
    async with Client(server.address, server.key, timeout=60) as client:
        made = await client.create_group([CreateTaskRequest() for _ in range(BODIES)])
        ids = [task.task_id for task in made.tasks]
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-W", "error", "-m", "tests.support.agent_program"],
            *[flavour, proxy.address, str(lease), str(seed), *ids],
            stdout=PIPE,
            stderr=PIPE,
            env={**os.environ, "COUNTERMAND_API_KEY": server.key},
        )
        try:
            output = asyncio.create_task(process.communicate())
            async with asyncio.TaskGroup() as beside:
                for task_id in ids:
                    if chance.random() < 0.5:
                        beside.create_task(cancel(client, task_id, chance.uniform(0, 3)))
                await asyncio.sleep(chance.uniform(0.5, 2))
                await fault(Ground(server, proxy, process))
            out, err = await asyncio.wait_for(output, 120)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        said = [json.loads(line) for line in out.decode().splitlines()]
        if process.returncode != 0:
            return [f"the agent's process left with {process.returncode}: {err.decode()[-2000:]}"]
        found = []
        for task_id in ids:
            words = [(word, *more) for about, word, *more in said if about == task_id]
            history = await history_of(client, task_id)
            for violation in violations_of(words, history):
                story = "; ".join(map(str, [*words, *map(in_words, history)]))
                found.append(f"{violation} (seed {seed}, {task_id}: {story})")
        return found


async def cancel(client: Client, task_id: str, after: float) -> None:
    await asyncio.sleep(after)
    with suppress(CountermandError):
        await client.cancel_task(task_id, grace_period=GRACE)


async def history_of(client: Client, task_id: str) -> list[pb.Task]:
    """Every version of a task. One that was never started need not end."""
    if (await client.get_task(task_id)).task.state == pb.TASK_STATE_PENDING:
        return [(await client.get_task(task_id)).task]
    async with asyncio.timeout(60):
        return [message.task async for message in client.watch_task(task_id, after_version=0)]


def in_words(task: pb.Task) -> str:
    state = pb.TaskState.Name(task.state).removeprefix("TASK_STATE_")
    charge = pb.ChargeState.Name(task.charge_state).removeprefix("CHARGE_STATE_")
    proof = pb.CancelProof.Name(task.cancel_proof).removeprefix("CANCEL_PROOF_")
    return f"{task.version} {state} {charge} {proof} {task.failure_message}".strip()


def violations_of(words: list[tuple], history: list[pb.Task]) -> list[str]:
    """What a task's history says that its body does not, or the contract forbids."""
    last = history[-1]
    state, proof = last.state, last.cancel_proof
    how = next((more[0] for word, *more in words if word == LEFT), None)
    entered = any(word == ENTERED for word, *_ in words)
    ended = next((more[0] for word, *more in words if word == ENDED), None)
    charged = [more[0] for word, *more in words if word == CHARGED]
    charges = sum(word == CHARGING for word, *_ in words)
    found = []

    def hold(fact: bool, otherwise: str) -> None:
        if not fact:
            found.append(otherwise)

    hold(ended is not None, "the block of the body did not end")
    if state == pb.TASK_STATE_PENDING:
        hold(not entered, "a body ran and its task is PENDING")
        return found
    hold(charges <= 1, "it was charged twice")
    begun = [task.version for task in history if task.charge_state == pb.CHARGE_STATE_BEGUN]
    stops = [task.version for task in history if task.state == pb.TASK_STATE_CANCELLING]
    if charges:
        hold(bool(begun), "a charge was not asked for")
        hold(not stops or begun[0] < stops[0], "a charge began after an accepted cancel")
        word = pb.ChargeState.Name(last.charge_state).removeprefix("CHARGE_STATE_")
        hold([word] == charged, f"the charge is {word} and was {charged}")
    else:
        unasked = (pb.CHARGE_STATE_NONE, pb.CHARGE_STATE_FAILED)
        hold(last.charge_state in unasked, "a charge that did not happen")
    owed = state in (pb.TASK_STATE_CANCELLED, pb.TASK_STATE_FAILED) and last.charge_state in (
        pb.CHARGE_STATE_BEGUN,
        pb.CHARGE_STATE_CAPTURED,
    )
    hold((last.refund_state == pb.REFUND_STATE_REQUIRED) == owed, "the refund is wrong")
    if state == pb.TASK_STATE_COMPLETED:
        hold(how == "returned", f"COMPLETED, and the body left with {how}")
    if proof == pb.CANCEL_PROOF_ACKNOWLEDGED:
        hold(not entered or how in ("Stopped", "CancelledError"), f"acknowledged, and {how}")
    if proof == pb.CANCEL_PROOF_NEVER_STARTED:
        hold(not entered, "a body ran that never started")
    if state == pb.TASK_STATE_FAILED and not last.failure_message.startswith("the agent"):
        hold(how != "returned" or ended == "TaskLost", "FAILED, and the body returned")
    return found


def test_a_history_that_does_not_fit_is_found():
    done = pb.Task(version=3, state=pb.TASK_STATE_COMPLETED, charge_state=pb.CHARGE_STATE_NONE)
    told = [(ENTERED,), (LEFT, "returned"), (ENDED, "well")]
    assert violations_of(told, [done]) == []
    assert violations_of([(ENTERED,), (LEFT, "Broken"), (ENDED, "Broken")], [done])
    assert violations_of([*told, (CHARGING,), (CHARGED, "CAPTURED")], [done])
    stop = pb.Task(version=2, state=pb.TASK_STATE_CANCELLING)
    begun = pb.Task(version=3, state=pb.TASK_STATE_CANCELLING, charge_state=pb.CHARGE_STATE_BEGUN)
    end = pb.Task(
        version=4, state=pb.TASK_STATE_CANCELLED, charge_state=pb.CHARGE_STATE_BEGUN,
        refund_state=pb.REFUND_STATE_REQUIRED,
    )  # fmt: skip
    late = [(ENTERED,), (CHARGING,), (CHARGED, "BEGUN"), (LEFT, "Stopped"), (ENDED, "well")]
    assert violations_of(late, [stop, begun, end]) == ["a charge began after an accepted cancel"]
