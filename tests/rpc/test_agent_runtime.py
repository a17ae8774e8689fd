"""The agent's runtime against a real server: however a body ends, its task ends as it did."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from countermand.client import Agent, ChargeRefused, Client, CountermandError, Stopped, TaskLost
from countermand.client import sync as threads
from countermand.client.knobs import ClientKnobs
from countermand.v1 import agent_service_pb2 as agents
from countermand.v1.key_service_pb2 import CreateKeyRequest
from countermand.v1.task_pb2 import CancelProof, ChargeState, RefundState, Task, TaskFilter
from countermand.v1.task_pb2 import TaskState as State
from countermand.v1.task_service_pb2 import CreateTaskRequest
from tests.support.caller import SCOPES, Caller, new_id
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="session")

LEASE = timedelta(seconds=30)


class Fixture:
    """A client in a tenant of the test's own, and what a test does beside the agent."""

    def __init__(self, client: Client, address: str, key: str) -> None:
        self.client = client
        self.address = address
        self.key = key

    async def create(self, **fields: Any) -> str:
        return (await self.client.create_task(**fields)).task.task_id

    async def get(self, task_id: str) -> Task:
        return (await self.client.get_task(task_id)).task

    async def end(self, task_id: str) -> tuple[str, ...]:
        """The end of a task: its state, proof, charge and refund."""
        async for message in self.client.watch_task(task_id):
            task = message.task
        return (
            State.Name(task.state).removeprefix("TASK_STATE_"),
            CancelProof.Name(task.cancel_proof).removeprefix("CANCEL_PROOF_"),
            ChargeState.Name(task.charge_state).removeprefix("CHARGE_STATE_"),
            RefundState.Name(task.refund_state).removeprefix("REFUND_STATE_"),
        )

    async def in_thread(self, use: Callable[[threads.Agent], None], **options: Any) -> None:
        """Uses a sync agent in a thread."""

        def work() -> None:
            with (
                threads.Client(self.address, self.key) as client,
                threads.Agent(client, "agent-1", **options) as agent,
            ):
                use(agent)

        await asyncio.to_thread(work)
        assert "countermand" not in [thread.name for thread in threading.enumerate()]


@pytest_asyncio.fixture(loop_scope="session")
async def at(shared: Server, admin: Caller) -> AsyncIterator[Fixture]:
    request = CreateKeyRequest(tenant=f"tenant-{new_id()}", environment="sandbox", scopes=SCOPES)
    secret = (await admin.keys.CreateKey(request, timeout=20)).secret
    before = asyncio.all_tasks()
    async with Client(shared.address, secret, knobs=ClientKnobs(settle_timeout=5)) as client:
        yield Fixture(client, shared.address, secret)
        left = [task for task in asyncio.all_tasks() - before if "runtime" in repr(task)]
        assert left == []


@pytest_asyncio.fixture(loop_scope="session")
async def agent(at: Fixture) -> AsyncIterator[Agent]:
    async with Agent(at.client, "agent-1", lease_duration=LEASE) as agent:
        yield agent


NOTHING = ("UNSPECIFIED", "NONE", "NONE")
ACKNOWLEDGED = ("CANCELLED", "ACKNOWLEDGED", "NONE", "NONE")


async def test_a_body_that_ends_completes_its_task(at: Fixture, agent: Agent):
    task_id = await at.create()
    async with agent.task(task_id.upper()) as work:
        assert (await at.get(task_id)).agent_id == "agent-1"
        assert work.stop is None
        work.check()
    assert await at.end(task_id) == ("COMPLETED", *NOTHING)
    assert work.task.state == State.TASK_STATE_COMPLETED


async def test_a_stop_cancels_the_body_and_the_end_is_acknowledged(at: Fixture, agent: Agent):
    task_id = await at.create()
    async with agent.task(task_id) as work:
        await at.client.cancel_task(task_id, reason="fraud", message="stop it")
        await asyncio.Event().wait()
    assert work.stop is not None
    assert (work.stop.reason, work.stop.message) == ("fraud", "stop it")
    assert work.stop.deadline_time.ToSeconds() > 0
    assert await at.end(task_id) == ACKNOWLEDGED
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_stop_is_offered_to_a_body_that_asks_for_it(at: Fixture, agent: Agent):
    task_id = await at.create()
    async with agent.task(task_id, on_stop="offer") as work:
        await at.client.cancel_task(task_id)
        assert (await work.wait_for_stop()).task_id == task_id
        await asyncio.sleep(0)
        raise Stopped
    assert await at.end(task_id) == ACKNOWLEDGED


async def test_a_body_that_had_finished_when_it_was_asked_to_stop_says_so(
    at: Fixture, agent: Agent
):
    task_id = await at.create()
    async with agent.task(task_id, on_stop="offer") as work:
        await at.client.cancel_task(task_id)
        await work.wait_for_stop()
    assert await at.end(task_id) == ("COMPLETED", *NOTHING)


async def test_a_stop_that_comes_before_the_next_await_of_a_body_that_returns_is_taken_back(
    at: Fixture, agent: Agent
):
    task_id = await at.create()
    async with agent.task(task_id) as work:
        work._job.hear_stop(agents.Stop(task_id=task_id))
    await asyncio.sleep(0)
    assert await at.end(task_id) == ("COMPLETED", *NOTHING)


async def test_an_error_fails_the_task_with_its_words_and_is_raised(at: Fixture, agent: Agent):
    task_id = await at.create()
    with pytest.raises(ValueError, match="sold"):
        async with agent.task(task_id):
            raise ValueError("sold\0 out\n" + "x" * 600 + "\udcff")
    assert await at.end(task_id) == ("FAILED", *NOTHING)
    assert (await at.get(task_id)).failure_message.startswith("ValueError: sold out xxx")


async def test_a_body_whose_program_gives_it_up_fails(at: Fixture, agent: Agent):
    task_id = await at.create()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2), agent.task(task_id):
            await asyncio.Event().wait()
    assert await at.end(task_id) == ("FAILED", *NOTHING)


async def test_a_task_that_cannot_be_started_says_so(at: Fixture, agent: Agent):
    task_id = await at.create()
    await at.client.cancel_task(task_id)
    with pytest.raises(CountermandError, match="TASK_NOT_PENDING"):
        async with agent.task(task_id):
            pytest.fail("it was not started")
    task_id = await at.create()
    async with agent.task(task_id):
        with pytest.raises(RuntimeError, match="already"):
            await agent.task(task_id).__aenter__()


async def test_a_charge_asks_and_reports(at: Fixture, agent: Agent):
    task_id = await at.create()
    async with agent.task(task_id) as work:
        async with work.charge():
            assert (await at.get(task_id)).charge_state == ChargeState.CHARGE_STATE_BEGUN
        with pytest.raises(ChargeRefused, match="already"):
            async with work.charge():
                pytest.fail("it was charged twice")
    assert await at.end(task_id) == ("COMPLETED", "UNSPECIFIED", "CAPTURED", "NONE")


async def test_no_charge_begins_after_an_accepted_cancel(at: Fixture, agent: Agent):
    task_id = await at.create()
    async with agent.task(task_id, on_stop="offer") as work:
        await at.client.cancel_task(task_id)
        async with work.charge():
            pytest.fail("it was charged")
    assert await at.end(task_id) == ACKNOWLEDGED


async def test_no_charge_begins_once_it_was_heard_that_it_is_to_stop(at: Fixture, agent: Agent):
    task_id = await at.create()
    async with agent.task(task_id, on_stop="offer") as work:
        await at.client.cancel_task(task_id)
        await work.wait_for_stop()
        async with work.charge():
            pytest.fail("it was charged")
    assert await at.end(task_id) == ACKNOWLEDGED


async def test_a_cancel_during_a_charge_waits_for_its_end_and_then_stops_the_body(
    at: Fixture, agent: Agent
):
    task_id = await at.create()
    done = False
    async with agent.task(task_id) as work:
        async with work.charge():
            await at.client.cancel_task(task_id)
            await work.wait_for_stop()
            await asyncio.sleep(0.01)
            done = True
        pytest.fail("the body went on")
    assert done
    assert await at.end(task_id) == ("CANCELLED", "ACKNOWLEDGED", "CAPTURED", "REQUIRED")


@pytest.mark.parametrize(
    ("say", "charge", "refund"),
    [
        (lambda charge: None, "BEGUN", "REQUIRED"),
        (lambda charge: charge.captured(), "CAPTURED", "REQUIRED"),
        (lambda charge: charge.failed(), "FAILED", "NONE"),
        (lambda charge: charge.voided(), "VOIDED", "NONE"),
    ],
    ids=["nothing", "captured", "failed", "voided"],
)
async def test_a_charge_that_raises_reports_what_was_said_and_else_asks_for_a_decision(
    at: Fixture, agent: Agent, say, charge: str, refund: str
):
    task_id = await at.create()
    with pytest.raises(OSError, match="cut off"):  # noqa: PT012
        async with agent.task(task_id) as work, work.charge() as taking:
            say(taking)
            raise OSError("cut off")
    assert await at.end(task_id) == ("FAILED", "UNSPECIFIED", charge, refund)


async def test_a_charge_whose_outcome_nobody_knows_is_not_begun_again_unless_asked(
    at: Fixture, agent: Agent
):
    task_id = await at.create()
    async with agent.task(task_id) as work:
        with suppress(OSError):
            async with work.charge():
                raise OSError
        with pytest.raises(ChargeRefused, match="unknown"):
            async with work.charge():
                pytest.fail("it was charged twice")
        async with work.charge(again=True):
            pass
    assert await at.end(task_id) == ("COMPLETED", "UNSPECIFIED", "CAPTURED", "NONE")


async def test_a_body_that_is_cancelled_while_it_asks_takes_nothing_and_owes_nothing(
    at: Fixture, agent: Agent
):
    task_id = await at.create()

    async def body() -> None:
        async with agent.task(task_id) as work:
            running.set_result(work)
            async with work.charge():
                pytest.fail("it was charged")

    running: asyncio.Future = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(body())
    work = await running
    while work._job._asking is None:  # noqa: ASYNC110
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await at.end(task_id) == ("FAILED", "UNSPECIFIED", "FAILED", "NONE")


async def test_a_start_that_is_given_up_leaves_no_task_without_an_end(at: Fixture, agent: Agent):
    for steps in range(6):
        task_id = await at.create()

        async def body(task_id: str = task_id) -> None:
            async with agent.task(task_id):
                await asyncio.Event().wait()

        task = asyncio.create_task(body())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await agent._empty.wait()
        state = (await at.get(task_id)).state
        assert state in (State.TASK_STATE_FAILED, State.TASK_STATE_PENDING)


async def test_a_body_hears_that_its_task_ended_without_it(at: Fixture, agent: Agent):
    task_id = await at.create()
    with pytest.raises(TaskLost) as lost:  # noqa: PT012
        async with agent.task(task_id) as work:
            await at.client.finish_task(task_id, work.fence, agents.FINISH_OUTCOME_COMPLETED)
            await asyncio.Event().wait()
    assert lost.value.task.task_id == task_id
    assert await at.end(task_id) == ("COMPLETED", *NOTHING)


async def test_a_body_whose_task_was_taken_over_is_fenced(at: Fixture, agent: Agent):
    task_id = await at.create()
    with pytest.raises(TaskLost):  # noqa: PT012
        async with agent.task(task_id) as work:
            await at.client.start_task(task_id, "agent-1", lease_duration=LEASE)
            async with work.charge():
                pytest.fail("it was charged")


async def test_what_an_earlier_process_left_is_ended(at: Fixture):
    running, stopping = await at.create(), await at.create()
    for task_id in (running, stopping):
        await at.client.start_task(task_id, "agent-1", lease_duration=LEASE)
    await at.client.cancel_task(stopping, grace_period=timedelta(minutes=10))
    async with Agent(at.client, "agent-1", lease_duration=timedelta(seconds=1)):
        assert await at.end(running) == ("FAILED", *NOTHING)
        assert await at.end(stopping) == ACKNOWLEDGED


async def test_what_an_earlier_process_left_is_taken_up_by_one_that_resumes(at: Fixture):
    task_id = await at.create()
    await at.client.start_task(task_id, "agent-1", lease_duration=LEASE)
    async with Agent(at.client, "agent-1", lease_duration=LEASE, resume=True) as agent:

        async def handle(work) -> None:
            assert work.task.task_id == task_id
            agent.drain()

        await agent.run(handle)
    assert await at.end(task_id) == ("COMPLETED", *NOTHING)


async def test_closing_an_agent_ends_what_runs(at: Fixture):
    task_id = await at.create()
    async with Agent(at.client, "agent-1") as agent:

        async def body() -> None:
            async with agent.task(task_id):
                running.set()
                await asyncio.Event().wait()

        running = asyncio.Event()
        task = asyncio.create_task(body())
        await running.wait()
    with pytest.raises(TaskLost):
        await task
    assert await at.end(task_id) == ("FAILED", *NOTHING)
    with pytest.raises(RuntimeError, match="not open"):
        await agent.task(task_id).__aenter__()


async def group_of(at: Fixture, count: int, **fields: Any) -> tuple[str, list[str]]:
    tasks = [CreateTaskRequest() for _ in range(count)]
    made = await at.client.create_group(tasks, **fields)
    return made.group.group_id, [task.task_id for task in made.tasks]


async def test_agents_take_all_pending_tasks_of_a_group_and_return_when_it_has_ended(
    at: Fixture,
):
    group_id, ids = await group_of(at, 30, closed=True)
    seen: list[str] = []
    most = at_once = 0

    async def handle(work) -> None:
        nonlocal most, at_once
        at_once += 1
        most = max(most, at_once)
        seen.append(work.task.task_id)
        await asyncio.sleep(0.01)
        at_once -= 1
        if work.task.task_id in ids[:3]:
            raise ValueError("sold out")

    async def run(name: str) -> None:
        async with Agent(at.client, name) as agent:
            await agent.run(handle, filter=TaskFilter(group_id=group_id), max_tasks=3)

    await asyncio.gather(run("agent-1"), run("agent-2"))
    assert sorted(seen) == sorted(ids)
    assert most <= 6
    counts = {
        each.state: each.count for each in (await at.client.get_group(group_id)).group.task_counts
    }
    assert counts == {State.TASK_STATE_COMPLETED: 27, State.TASK_STATE_FAILED: 3}


async def test_an_agent_takes_what_it_accepts_also_if_it_cannot_keep_all_in_mind(at: Fixture):
    group_id, ids = await group_of(at, 12, closed=True)
    wanted = set(ids[:8])
    knobs = ClientKnobs(max_open_tasks=2)
    async with Client(at.address, at.key, knobs=knobs) as client, Agent(client, "a") as agent:
        done: set[str] = set()

        async def handle(work) -> None:
            done.add(work.task.task_id)
            if done == wanted:
                agent.drain()

        await agent.run(
            handle,
            filter=TaskFilter(group_id=group_id),
            accept=lambda task: task.task_id in wanted,
            max_tasks=1,
        )
    assert done == wanted
    with pytest.raises(ValueError, match="at least 1"):
        async with Agent(at.client, "a") as agent:
            await agent.run(handle, max_tasks=0)


async def test_a_filter_that_names_nothing_is_refused(at: Fixture, agent: Agent):
    with pytest.raises(CountermandError, match="GROUP_NOT_FOUND"):
        await agent.run(None, filter=TaskFilter(group_id=new_id()))


# The same on threads.


async def test_a_thread_asks_whether_to_stop_and_acknowledges(at: Fixture):
    task_id = await at.create()
    loop = asyncio.get_running_loop()

    def use(agent: threads.Agent) -> None:
        with agent.task(task_id) as work:
            assert work.wait_for_stop(0.01) is None
            work.check()
            asyncio.run_coroutine_threadsafe(at.client.cancel_task(task_id), loop).result()
            stop = work.wait_for_stop()
            assert stop is not None
            assert stop.task_id == task_id
            work.check()
            pytest.fail("the body went on")

    await at.in_thread(use)
    assert await at.end(task_id) == ACKNOWLEDGED


async def test_a_charge_in_a_thread_asks_and_reports(at: Fixture):
    task_id, refused, unclear = [await at.create() for _ in range(3)]
    loop = asyncio.get_running_loop()

    def use(agent: threads.Agent) -> None:
        with agent.task(task_id) as work:
            with work.charge():
                pass
            with pytest.raises(ChargeRefused), work.charge():
                pytest.fail("it was charged twice")
        with agent.task(refused) as work:
            asyncio.run_coroutine_threadsafe(at.client.cancel_task(refused), loop).result()
            with work.charge():
                pytest.fail("it was charged")
        with pytest.raises(OSError, match="cut"), agent.task(unclear) as work, work.charge():
            raise OSError("cut off")

    await at.in_thread(use)
    assert await at.end(task_id) == ("COMPLETED", "UNSPECIFIED", "CAPTURED", "NONE")
    assert await at.end(refused) == ACKNOWLEDGED
    assert await at.end(unclear) == ("FAILED", "UNSPECIFIED", "BEGUN", "REQUIRED")


async def test_threads_take_all_pending_tasks_of_a_group(at: Fixture):
    group_id, ids = await group_of(at, 12, closed=True)
    seen: list[str] = []

    def handle(work: threads.Work) -> None:
        assert threading.current_thread().name.startswith("agent-1")
        seen.append(work.task.task_id)
        if len(seen) == 12:
            raise ValueError("sold out")

    def use(agent: threads.Agent) -> None:
        agent.run(handle, filter=TaskFilter(group_id=group_id), max_tasks=4)

    await at.in_thread(use)
    assert sorted(seen) == sorted(ids)


async def test_a_thread_hears_that_its_task_was_lost(at: Fixture):
    task_id = await at.create()
    loop = asyncio.get_running_loop()

    def use(agent: threads.Agent) -> None:
        with pytest.raises(TaskLost), agent.task(task_id) as work:  # noqa: PT012
            end = at.client.finish_task(task_id, work.fence, agents.FINISH_OUTCOME_COMPLETED)
            asyncio.run_coroutine_threadsafe(end, loop).result()
            with pytest.raises(Stopped):
                work.wait_for_stop()
            work.check()

    await at.in_thread(use)
    assert await at.end(task_id) == ("COMPLETED", *NOTHING)
