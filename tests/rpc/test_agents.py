"""AgentService: starting, the lease, and ending."""

import time

import pytest

from tests.support.caller import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    FAILED,
    RUNNING,
    Held,
    everything,
    first_caller,
    new_id,
)
from tests.support.refusals import refused
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="session")

NEVER_STARTED, ACKNOWLEDGED, FORCED, AGENT_LOST = 1, 2, 3, 4


async def test_a_start_makes_a_pending_task_running_and_the_agents(caller):
    held = await caller.running("buyer:7")
    assert (held.task.state, held.task.version) == (RUNNING, 2)
    assert held.task.agent_id == "buyer:7"
    assert held.task.start_time == held.task.update_time
    assert held.fence >= 1


async def test_the_same_agent_starts_again_with_a_higher_fence_and_the_same_version(caller):
    held = await caller.running()
    again = await caller.start(held.task_id)
    assert again.fence > held.fence
    assert again.task == held.task
    await caller.cancel(held.task_id)
    third = await caller.start(held.task_id)
    assert (third.task.state, third.task.version) == (CANCELLING, 3)
    assert third.fence > again.fence
    for outdated in (held, again):
        await refused(caller.finish(outdated, "CANCELLED"), "FENCED")
    assert (await caller.finish(third, "CANCELLED")).state == CANCELLED


async def test_another_agent_or_an_ended_task_cannot_be_started(caller, stranger):
    held = await caller.running()
    refusal = await refused(caller.start(held.task_id, "agent-2"), "TASK_NOT_PENDING")
    assert refusal.metadata == {"task_id": held.task_id, "state": "RUNNING"}
    await caller.finish(held)
    await refused(caller.start(held.task_id), "TASK_NOT_PENDING")
    never = await caller.create()
    await caller.cancel(never.task_id)
    await refused(caller.start(never.task_id), "TASK_NOT_PENDING")
    for unknown in (new_id(), (await stranger.create()).task_id):
        await refused(caller.start(unknown), "TASK_NOT_FOUND")


async def test_a_heartbeat_tells_what_to_stop_nearest_deadline_first(caller):
    held = [await caller.running("a-1") for _ in range(3)]
    other = await caller.running("a-2")
    assert await caller.heartbeat("a-1") == []
    for one, grace in zip(held, (300, 100, 200), strict=True):
        await caller.cancel(one.task_id, grace, reason=f"r{grace}", message=f"m{grace}")
    await caller.cancel(other.task_id)

    stops = await caller.heartbeat("a-1")

    assert [stop.task_id for stop in stops] == [held[n].task_id for n in (1, 2, 0)]
    assert [(stop.reason, stop.message) for stop in stops] == [
        (f"r{grace}", f"m{grace}") for grace in (100, 200, 300)
    ]
    task = await caller.get(held[1].task_id)
    assert stops[0].deadline_time == task.deadline_time
    await caller.finish(held[1], "CANCELLED")
    assert [stop.task_id for stop in await caller.heartbeat("a-1")] == [
        held[n].task_id for n in (2, 0)
    ]


async def test_an_agent_that_never_started_a_task_is_ok_with_nothing_to_stop(caller):
    assert await caller.heartbeat("never-seen") == []


@pytest.mark.parametrize("cancelling", [False, True])
@pytest.mark.parametrize(
    ("outcome", "state"), [("COMPLETED", COMPLETED), ("FAILED", FAILED), ("CANCELLED", CANCELLED)]
)
async def test_an_agent_ends_its_task(caller, outcome, state, cancelling):
    held = await caller.running()
    answer = await caller.cancel(held.task_id) if cancelling else None
    message = "no stock" if outcome == "FAILED" else ""
    if outcome == "CANCELLED" and not cancelling:
        await refused(caller.finish(held, outcome), "NOT_CANCELLING")
        assert await caller.get(held.task_id) == held.task
        return

    task = await caller.finish(held, outcome, message)

    assert (task.state, task.failure_message) == (state, message)
    assert task.end_time == task.update_time
    assert task.cancel_proof == (ACKNOWLEDGED if outcome == "CANCELLED" else 0)
    assert await caller.finish(held, outcome, message) == task  # a repeat changes nothing
    other = "FAILED" if outcome == "COMPLETED" else "COMPLETED"
    await refused(caller.finish(held, other), "TASK_NOT_RUNNING")
    assert await caller.get(held.task_id) == task
    if answer is not None:
        cancellation = await caller.cancellation(answer.cancellation.cancellation_id)
        assert cancellation.results[0].task_state == state
        assert task.deadline_time == answer.task.deadline_time  # kept


async def test_a_task_that_is_not_the_agents_cannot_be_ended(caller, stranger):
    pending = Held(await caller.create(), 1)
    await refused(caller.finish(pending), "TASK_NOT_RUNNING")
    held = await caller.running()
    await refused(caller.finish(Held(held.task, held.fence + 1)), "FENCED")
    for unknown in (new_id(), (await stranger.create()).task_id):
        held.task.task_id = unknown
        await refused(caller.finish(held), "TASK_NOT_FOUND")


async def test_a_forced_end_fences_the_agents_late_word(caller):
    held = await caller.running(lease=60)
    answer = await caller.cancel(held.task_id, grace=0)
    assert answer.task.state == CANCELLING
    assert answer.task.deadline_time == answer.task.update_time  # now
    ended = await caller.ended(held.task_id)
    assert (ended.state, ended.cancel_proof) == (CANCELLED, FORCED)
    for outcome in ("CANCELLED", "COMPLETED", "FAILED"):
        await refused(caller.finish(held, outcome), "FENCED")
    assert await caller.get(held.task_id) == ended


async def test_a_lost_agents_tasks_end_failed_or_cancelled(caller):
    running = await caller.running("lost", lease=1)
    cancelling = await caller.running("lost", lease=1)
    saved = await caller.running("saved", lease=1)
    await caller.cancel(cancelling.task_id, grace=60)
    await caller.heartbeat("saved", lease=60)

    failed = await caller.ended(running.task_id)
    cancelled = await caller.ended(cancelling.task_id)

    assert failed.state == FAILED
    assert failed.failure_message
    assert (cancelled.state, cancelled.cancel_proof) == (CANCELLED, AGENT_LOST)
    assert (await caller.get(saved.task_id)).state == RUNNING
    for late in (running, cancelling):
        await refused(caller.finish(late), "FENCED")


async def test_a_heartbeat_renews_the_lease_of_all_tasks_and_changes_no_version(caller):
    held = [await caller.running("renewed", lease=1) for _ in range(2)]
    await caller.heartbeat("renewed", lease=60)
    other = await caller.running("not-renewed", lease=1)
    await caller.ended(other.task_id)
    assert [await caller.get(one.task_id) for one in held] == [one.task for one in held]


async def test_a_heartbeat_names_at_most_1000_tasks(caller):
    made = await caller.create_group(1001)
    for task in made.tasks:
        await caller.start(task.task_id, "busy")
    await caller.cancel_group(made.group.group_id)
    assert len(await caller.heartbeat("busy")) == 1000


async def test_leases_are_renewed_to_their_full_length_when_a_server_starts(tmp_path):
    server = await Server(tmp_path).start()
    async with first_caller(server) as caller:
        held = await caller.running(lease=2)
    await server.kill()
    begin = time.time_ns() // 1000
    await server.start()
    async with first_caller(server) as caller:
        # It heard nothing while nobody listened, and the lease counts from the start on.
        told = await everything(caller.watch(held.task_id, after_version=2))
        assert told[-1].task.state == FAILED
        assert told[-1].task.end_time.ToMicroseconds() - begin >= 2_000_000
    await server.kill()
