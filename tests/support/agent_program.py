"""An agent in a process of its own, whose bodies work, charge and fail at random, and say so.

    python -m tests.support.agent_program FLAVOUR ADDRESS LEASE SEED TASK_ID…

The key is in COUNTERMAND_API_KEY. Each line that it prints is a JSON array: task, word, more.
"""

import asyncio
import gc
import json
import os
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from countermand.client import Agent, ChargeRefused, Client, CountermandError, TaskLost, Work
from countermand.client import sync as threads

ENTERED, LEFT, CHARGING, CHARGED, ENDED = "entered", "left", "charging", "charged", "ended"
LONGEST = 0.8
ENDS = (TaskLost, CountermandError, ChargeRefused, asyncio.CancelledError)


class Broken(Exception):
    """What a body fails with."""


class Plan:
    """What one body will do."""

    def __init__(self, task_id: str, seed: int) -> None:
        self.task_id = task_id
        chance = random.Random(f"{seed} {task_id}")
        self.before, self.during, self.after = (chance.uniform(0, LONGEST) for _ in range(3))
        self.charges = chance.random() < 0.7
        self.charge_ends = chance.choice(["fine", "fine", "raises", "failed", "captured"])
        self.fails = chance.random() < 0.15
        self.on_stop = chance.choice(["cancel", "offer"])
        self.cancelled_after = chance.choice([None, None, chance.randrange(60), LONGEST])

    def say(self, word: str, *more: Any) -> None:
        sys.stdout.write(json.dumps([self.task_id, word, *more]) + "\n")
        sys.stdout.flush()

    def end_charge(self, taking: Any) -> None:
        """Ends the block of the charge; what it then says is what it knows."""
        known = {"failed": "FAILED", "captured": "CAPTURED"}.get(self.charge_ends, "BEGUN")
        if self.charge_ends in ("failed", "captured"):
            getattr(taking, self.charge_ends)()
        if self.charge_ends != "fine":
            self.say(CHARGED, known)
            raise Broken
        self.say(CHARGED, "CAPTURED")


async def body(plan: Plan, agent: Agent) -> None:
    try:
        async with agent.task(plan.task_id, on_stop=plan.on_stop) as work:
            plan.say(ENTERED)
            how = "returned"
            try:
                await play(plan, work)
            except BaseException as error:
                how = type(error).__name__
                raise
            finally:
                plan.say(LEFT, how)
        plan.say(ENDED, "well")
    except (*ENDS, Broken) as error:
        plan.say(ENDED, type(error).__name__)


async def play(plan: Plan, work: Work) -> None:
    await wait(plan.before, work)
    if plan.charges:
        async with work.charge() as taking:
            plan.say(CHARGING)
            try:
                await asyncio.sleep(plan.during)
            except asyncio.CancelledError:
                plan.say(CHARGED, "BEGUN")
                raise
            plan.end_charge(taking)
    await wait(plan.after, work)
    if plan.fails:
        raise Broken


async def wait(seconds: float, work: Work) -> None:
    """Works; a body that is offered its stop looks from time to time."""
    for _ in range(8):
        await asyncio.sleep(seconds / 8)
        work.check()


async def cancel(plan: Plan, running: "asyncio.Task[None]") -> None:
    """Cancels the body after so many turns of the loop, or seconds; some are left alone."""
    if isinstance(plan.cancelled_after, int):
        for _ in range(plan.cancelled_after):
            await asyncio.sleep(0)
    elif plan.cancelled_after is not None:
        await asyncio.sleep(plan.cancelled_after)
    else:
        return
    running.cancel()


async def with_asyncio(plans: list[Plan], address: str, key: str, lease: timedelta) -> None:
    async with (
        Client(address, key) as client,
        Agent(client, "agent-1", lease_duration=lease) as agent,
    ):
        running = [asyncio.create_task(body(plan, agent)) for plan in plans]
        cancelling = [cancel(plan, task) for plan, task in zip(plans, running, strict=True)]
        await asyncio.gather(*cancelling)
        await asyncio.gather(*running, return_exceptions=True)
    await asyncio.sleep(0.1)
    left = [repr(task) for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert not left, left


def body_of_a_thread(plan: Plan, agent: threads.Agent) -> None:
    try:
        with agent.task(plan.task_id) as work:
            plan.say(ENTERED)
            how = "returned"
            try:
                play_in_a_thread(plan, work)
            except BaseException as error:
                how = type(error).__name__
                raise
            finally:
                plan.say(LEFT, how)
        plan.say(ENDED, "well")
    except (*ENDS, Broken) as error:
        plan.say(ENDED, type(error).__name__)


def play_in_a_thread(plan: Plan, work: threads.Work) -> None:
    look(plan.before, work)
    if plan.charges:
        with work.charge() as taking:
            plan.say(CHARGING)
            time.sleep(plan.during)
            plan.end_charge(taking)
    look(plan.after, work)
    if plan.fails:
        raise Broken


def look(seconds: float, work: threads.Work) -> None:
    for _ in range(8):
        time.sleep(seconds / 8)
        work.check()


def with_threads(plans: list[Plan], address: str, key: str, lease: timedelta) -> None:
    with (
        threads.Client(address, key) as client,
        threads.Agent(client, "agent-1", lease_duration=lease) as agent,
        ThreadPoolExecutor(len(plans)) as pool,
    ):
        list(pool.map(lambda plan: body_of_a_thread(plan, agent), plans))
    # gRPC's own thread goes with its last channel.
    gc.collect()
    left = [thread.name for thread in threading.enumerate()]
    assert left == ["MainThread"], left


def main(flavour: str, address: str, lease: str, seed: str, *task_ids: str) -> None:
    plans = [Plan(task_id, int(seed)) for task_id in task_ids]
    given = (plans, address, os.environ["COUNTERMAND_API_KEY"], timedelta(seconds=float(lease)))
    if flavour == "async":
        asyncio.run(with_asyncio(*given))
    else:
        with_threads(*given)


if __name__ == "__main__":
    main(*sys.argv[1:])
