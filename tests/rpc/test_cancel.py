"""The cancels: what is accepted, joined, repeated and refused."""

import pytest

from countermand.v1 import cancellation_pb2
from countermand.v1 import cancellation_service_pb2 as c
from tests.support.caller import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    PENDING,
    Caller,
    everything,
    first_caller,
    new_caller,
    new_id,
    span,
    unjoined,
)
from tests.support.refusals import refused
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="session")

IN_PROGRESS, SUCCEEDED, PARTIAL, TOO_LATE = 1, 2, 3, 4
STOPPING, STOPPED, SKIPPED = 1, 2, 3
NEVER_STARTED, ACKNOWLEDGED = 1, 2


def results(cancellation):
    return [(r.task_id, r.disposition, r.task_state, r.cancel_proof) for r in cancellation.results]


async def listed(caller: Caller, **fields):
    found, token, pages = [], "", 0
    while not pages or token:
        request = c.ListCancellationsRequest(page_token=token, **fields)
        page = await caller.cancellations.ListCancellations(request)
        found += page.cancellations
        token = page.next_page_token
        pages += 1
    return found


async def test_a_pending_task_is_cancelled_in_the_answer_itself(caller):
    task = await caller.create()
    answer = await caller.cancel(task.task_id)
    assert (answer.task.state, answer.task.version) == (CANCELLED, 2)
    assert answer.task.cancel_proof == NEVER_STARTED
    assert not answer.task.agent_id
    assert answer.cancellation.state == SUCCEEDED
    assert not answer.cancellation.HasField("deadline_time")
    assert await caller.get(task.task_id) == answer.task


async def test_a_running_task_becomes_cancelling_and_then_cancelled_with_proof(caller):
    held = await caller.running()
    request_id = new_id()
    answer = await caller.cancel(
        held.task_id,
        grace=90,
        reason="customer_requested",
        message="The buyer changed their mind ☂",
        request_id=request_id.upper(),
        on_behalf_of="buyer 17",
    )
    task, cancellation = answer.task, answer.cancellation
    assert (task.state, task.version, task.cancel_proof) == (CANCELLING, 3, 0)
    assert task.cancel_reason == cancellation.reason == "customer_requested"
    assert task.cancel_message == cancellation.message == "The buyer changed their mind ☂"
    assert task.cancellation_id == cancellation.cancellation_id
    accepted = cancellation.create_time.ToMicroseconds()
    assert task.deadline_time.ToMicroseconds() == accepted + 90_000_000
    assert cancellation.deadline_time == task.deadline_time
    assert cancellation.task_id == held.task_id
    assert cancellation.requested_by == caller.key_id
    assert cancellation.on_behalf_of == "buyer 17"
    assert cancellation.request_id == request_id
    assert cancellation.state == IN_PROGRESS
    assert not cancellation.HasField("end_time")
    assert len(cancellation.trace_id) == 32
    assert results(cancellation) == [(held.task_id, STOPPING, CANCELLING, 0)]
    assert await caller.cancellation(cancellation.cancellation_id) == cancellation

    ended = await caller.finish(held, "CANCELLED")
    cancellation = await caller.cancellation(cancellation.cancellation_id)
    assert cancellation.state == SUCCEEDED
    assert cancellation.end_time == ended.end_time
    assert results(cancellation) == [(held.task_id, STOPPED, CANCELLED, ACKNOWLEDGED)]


async def test_the_default_grace_is_30_seconds(caller):
    held = await caller.running()
    task = (await caller.cancel(held.task_id)).task
    grace = task.deadline_time.ToMicroseconds() - task.update_time.ToMicroseconds()
    assert grace == 30_000_000


@pytest.mark.parametrize("outcome", ["COMPLETED", "FAILED"])
async def test_an_agent_that_had_finished_ends_the_task_so_and_the_cancel_stands(caller, outcome):
    held = await caller.running()
    answer = await caller.cancel(held.task_id)
    ended = await caller.finish(held, outcome)
    cancellation = await caller.cancellation(answer.cancellation.cancellation_id)
    assert cancellation.state == TOO_LATE
    assert results(cancellation) == [(held.task_id, SKIPPED, ended.state, 0)]
    assert ended.cancellation_id == cancellation.cancellation_id


@pytest.mark.parametrize("outcome", ["COMPLETED", "FAILED", "CANCELLED"])
async def test_an_ended_task_is_refused_with_a_reason_of_its_own(caller, outcome):
    held = await caller.running()
    if outcome == "CANCELLED":
        await caller.cancel(held.task_id)
    ended = await caller.finish(held, outcome)
    request_id = new_id()

    call = caller.cancel(held.task_id, request_id=request_id)
    refusal = await refused(call, f"TASK_ALREADY_{outcome}")

    assert refusal.metadata == {
        "task_id": held.task_id,
        "state": outcome,
        "end_time": ended.end_time.ToJsonString(),
        "cancellation_id": ended.cancellation_id,
    }
    # Refused calls store nothing: the request id is free.
    other = await caller.create()
    assert not (await caller.cancel(other.task_id, request_id=request_id)).replayed


async def test_a_join_answers_with_the_first_cancellation(caller, shared, admin):
    held = await caller.running()
    first = await caller.cancel(held.task_id, reason="fraud", request_id=new_id())
    join_id = new_id()
    async with new_caller(shared, admin, tenant=caller.tenant) as other:
        join = await other.cancel(
            held.task_id, grace=40, reason="timeout", on_behalf_of="x", request_id=join_id
        )
        assert join.task == first.task  # farther: the deadline stays, and so does the version
        assert unjoined(join.cancellation) == first.cancellation
        assert not join.replayed
        again = await other.cancel(
            held.task_id, grace=40, reason="timeout", on_behalf_of="x", request_id=join_id
        )
        assert again.replayed
        assert again.cancellation == join.cancellation


async def test_the_same_request_is_replayed_as_things_are_now(caller, shared, admin):
    held = await caller.running()
    request = {"reason": "fraud", "request_id": new_id()}
    first = await caller.cancel(held.task_id, **request)
    await caller.finish(held, "CANCELLED")

    again = await caller.cancel(held.task_id, **request)
    assert again.replayed
    assert (again.task.state, again.cancellation.state) == (CANCELLED, SUCCEEDED)
    assert again.cancellation.cancellation_id == first.cancellation.cancellation_id

    # Absent equals default, ids are equal in any case, and a rotated key may retry.
    async with new_caller(shared, admin, tenant=caller.tenant) as rotated:
        same = c.CancelTaskRequest(
            task_id=held.task_id.upper(),
            reason="fraud",
            request_id=request["request_id"].upper(),
            grace_period=span(30),
        )
        assert await rotated.cancellations.CancelTask(same) == again


async def test_the_same_request_id_with_another_request_is_a_conflict(caller, stranger):
    made = await caller.create_group(1)
    held = await caller.start(made.tasks[0].task_id)
    other = await caller.create()
    request_id = new_id()
    first = await caller.cancel(held.task_id, request_id=request_id)
    version = (await caller.get(held.task_id)).version

    for call in (
        caller.cancel(held.task_id, request_id=request_id, reason="x"),
        caller.cancel(held.task_id, request_id=request_id, message="x"),
        caller.cancel(held.task_id, request_id=request_id, on_behalf_of="x"),
        caller.cancel(held.task_id, request_id=request_id, grace=29),
        caller.cancel(held.task_id, request_id=request_id, expected_version=version),
        caller.cancel(other.task_id, request_id=request_id),
        caller.cancel(new_id(), request_id=request_id),
        caller.cancel_group(made.group.group_id, request_id=request_id),
    ):
        refusal = await refused(call, "REQUEST_ID_CONFLICT")
        assert refusal.metadata == {
            "request_id": request_id,
            "cancellation_id": first.cancellation.cancellation_id,
        }
    assert (await caller.get(other.task_id)).state == PENDING
    assert (await caller.get(held.task_id)).version == version
    foreign = await stranger.create()
    assert not (await stranger.cancel(foreign.task_id, request_id=request_id)).replayed


async def test_replays_answer_the_same_after_a_kill_and_a_restart(tmp_path):
    server = await Server(tmp_path).start()
    async with first_caller(server) as caller:
        made = await caller.create_group(2)
        await caller.start(made.tasks[0].task_id)
        held = await caller.running()
        ids = [new_id(), new_id()]
        task = await caller.cancel(held.task_id, grace=600, request_id=ids[0])
        group = await caller.cancel_group(made.group.group_id, grace=600, request_id=ids[1])
    await server.kill()
    await server.start()
    async with first_caller(server) as caller:
        task.replayed = group.replayed = True
        assert await caller.cancel(held.task_id, grace=600, request_id=ids[0]) == task
        call = caller.cancel_group(made.group.group_id, grace=600, request_id=ids[1])
        assert await call == group
        await refused(caller.cancel(held.task_id, request_id=ids[0]), "REQUEST_ID_CONFLICT")
        await caller.finish(held, "CANCELLED")
        ended = await caller.cancel(held.task_id, grace=600, request_id=ids[0])
        assert ended.replayed
        assert ended.cancellation.state == SUCCEEDED
    await server.kill()


async def test_an_unexpected_version_is_aborted_and_changes_nothing(caller):
    held = await caller.running()
    made = await caller.create_group(1)
    request_id = new_id()
    for version in (0, 1, 3, -5, 2**62):
        call = caller.cancel(held.task_id, expected_version=version, request_id=request_id)
        refusal = await refused(call, "VERSION_MISMATCH")
        assert refusal.metadata == {"task_id": held.task_id, "version": "2"}
    call = caller.cancel_group(made.group.group_id, expected_version=2, request_id=request_id)
    assert (await refused(call, "VERSION_MISMATCH")).metadata["version"] == "1"
    assert await caller.get(held.task_id) == held.task
    assert await caller.group(made.group.group_id) == made.group
    assert await listed(caller) == []

    answer = await caller.cancel(held.task_id, expected_version=2, request_id=request_id)
    assert answer.task.state == CANCELLING


async def test_validate_only_answers_as_it_would_be_and_changes_nothing(caller):
    held = await caller.running()
    made = await caller.create_group(2)
    request_id = new_id()

    answer = await caller.cancel(held.task_id, validate_only=True, request_id=request_id)
    assert (answer.task.state, answer.task.version) == (CANCELLING, 3)
    assert answer.cancellation.cancellation_id == answer.task.cancellation_id == ""
    group = await caller.cancel_group(made.group.group_id, validate_only=True)
    assert group.group.closed
    assert [r.task_state for r in group.cancellation.results] == [CANCELLED] * 2

    assert await caller.get(held.task_id) == held.task
    assert await caller.group(made.group.group_id) == made.group
    assert await listed(caller) == []
    call = caller.cancel(held.task_id, validate_only=True, expected_version=9)
    await refused(call, "VERSION_MISMATCH")
    assert not (await caller.cancel(held.task_id, request_id=request_id)).replayed
    # It ignores request_id: no replay, and no conflict either.
    answer = await caller.cancel(held.task_id, 7, validate_only=True, request_id=request_id)
    assert not answer.replayed


async def test_a_group_cancel_has_one_result_per_task_and_closes_the_group(caller):
    made, other = await caller.create_group(5), await caller.create_group(2)
    ids = [task.task_id for task in made.tasks]
    held = {n: await caller.start(ids[n]) for n in (1, 2, 3)}
    own = await caller.cancel(ids[2], grace=60)
    await caller.finish(held[3])
    await caller.cancel(ids[4])

    answer = await caller.cancel_group(made.group.group_id, grace=90, reason="cart_changed")

    assert results(answer.cancellation) == [
        (ids[0], STOPPED, CANCELLED, NEVER_STARTED),
        (ids[1], STOPPING, CANCELLING, 0),
        (ids[2], STOPPING, CANCELLING, 0),
        (ids[3], SKIPPED, COMPLETED, 0),
        (ids[4], SKIPPED, CANCELLED, NEVER_STARTED),
    ]
    assert (answer.group.closed, answer.group.version) == (True, 2)
    assert answer.cancellation.group_id == made.group.group_id
    assert answer.group.cancellation_id == answer.cancellation.cancellation_id
    counts = {count.state: count.count for count in answer.group.task_counts}
    assert counts == {CANCELLING: 2, COMPLETED: 1, CANCELLED: 2}
    joined = await caller.get(ids[2])  # names its first cancellation, and its deadline stays
    assert joined == own.task
    assert answer.cancellation.deadline_time == (await caller.get(ids[1])).deadline_time
    assert await caller.group(made.group.group_id) == answer.group
    assert await caller.group(other.group.group_id) == other.group

    for n in (1, 2):
        await caller.finish(held[n], "CANCELLED")
    cancellation = await caller.cancellation(answer.cancellation.cancellation_id)
    assert cancellation.state == PARTIAL
    # It was cancelled before: the first cancellation is the answer, as it is now.
    again = await caller.cancel_group(made.group.group_id, reason="other", request_id=new_id())
    assert unjoined(again.cancellation) == cancellation
    assert not again.replayed


async def test_a_group_whose_tasks_had_all_ended_is_too_late(caller):
    made = await caller.create_group(1)
    held = await caller.start(made.tasks[0].task_id)
    await caller.finish(held)
    answer = await caller.cancel_group(made.group.group_id)
    assert answer.cancellation.state == TOO_LATE
    assert results(answer.cancellation) == [(held.task_id, SKIPPED, COMPLETED, 0)]
    assert answer.group.closed


async def test_unknown_targets_are_not_found(caller, stranger):
    foreign = await stranger.create_group(1)
    for task_id in (new_id(), foreign.tasks[0].task_id):
        await refused(caller.cancel(task_id), "TASK_NOT_FOUND")
    for group_id in (new_id(), foreign.group.group_id):
        await refused(caller.cancel_group(group_id), "GROUP_NOT_FOUND")
    answer = await stranger.cancel(foreign.tasks[0].task_id)
    for cancellation_id in (new_id(), answer.cancellation.cancellation_id):
        await refused(caller.cancellation(cancellation_id), "CANCELLATION_NOT_FOUND")


async def test_grace_0_is_cancelling_with_a_deadline_of_now_and_cancelled_a_moment_later(caller):
    held = await caller.running()
    answer = await caller.cancel(held.task_id, grace=0)
    assert answer.task.state == CANCELLING
    assert answer.task.deadline_time == answer.task.update_time
    told = await everything(caller.watch(held.task_id, after_version=2, timeout=5))
    assert [message.task.state for message in told] == [CANCELLING, CANCELLED]


async def test_cancellations_are_listed_newest_first_without_results(caller, stranger):
    made = await caller.create_group(2)
    ids = [task.task_id for task in made.tasks]
    held = await caller.start(ids[0])
    by_task = (await caller.cancel(ids[0], reason="fraud")).cancellation
    by_group = (await caller.cancel_group(made.group.group_id, reason="timeout")).cancellation
    alone = await caller.create()
    last = (await caller.cancel(alone.task_id, reason="fraud")).cancellation
    await stranger.cancel((await stranger.create()).task_id)
    for cancellation in (by_task, by_group, last):
        del cancellation.results[:]

    assert await listed(caller) == [last, by_group, by_task]
    assert await listed(caller, page_size=1) == [last, by_group, by_task]
    assert await listed(caller, task_id=ids[0].upper()) == [by_group, by_task]
    assert await listed(caller, task_id=ids[1]) == [by_group]
    assert await listed(caller, group_id=made.group.group_id) == [by_group]
    assert await listed(caller, reason="fraud") == [last, by_task]
    assert await listed(caller, state=cancellation_pb2.CANCELLATION_STATE_SUCCEEDED) == [last]
    assert await listed(caller, start_time=by_group.create_time) == [last, by_group]
    assert await listed(caller, end_time=by_group.create_time) == [by_task]
    assert await listed(caller, reason="fraud", task_id=alone.task_id) == [last]
    assert await listed(caller, reason="nothing") == []
    await caller.finish(held, "CANCELLED")
    done = await listed(caller, state=cancellation_pb2.CANCELLATION_STATE_SUCCEEDED)
    assert len(done) == 3

    page = await caller.cancellations.ListCancellations(c.ListCancellationsRequest(page_size=1))
    for other, fields in ((caller, {"reason": "fraud"}), (stranger, {})):
        request = c.ListCancellationsRequest(page_token=page.next_page_token, **fields)
        await refused(other.cancellations.ListCancellations(request), "PAGE_TOKEN_INVALID")
    await refused(listed(caller, task_id=new_id()), "TASK_NOT_FOUND")
    await refused(listed(caller, group_id=new_id()), "GROUP_NOT_FOUND")
    both = listed(caller, task_id=ids[0], group_id=made.group.group_id)
    assert list((await refused(both, "INVALID_REQUEST")).fields) == ["group_id"]


async def test_pages_of_one_tasks_cancellations_are_as_long_as_was_asked(caller):
    made = await caller.create_group(1)
    await caller.start(made.tasks[0].task_id)
    await caller.cancel(made.tasks[0].task_id)
    await caller.cancel_group(made.group.group_id)
    request = c.ListCancellationsRequest(task_id=made.tasks[0].task_id, page_size=1)
    first = await caller.cancellations.ListCancellations(request)
    assert len(first.cancellations) == 1
    request.page_token = first.next_page_token
    second = await caller.cancellations.ListCancellations(request)
    assert len(second.cancellations) == 1
    assert second.cancellations != first.cancellations
    assert not second.next_page_token


async def test_pages_of_cancellations_end_early_to_stay_small(pager):
    caller = pager
    made = await caller.create_group(900)
    text = {"reason": "🛒" * 128, "message": "🛒" * 500, "on_behalf_of": "🛒" * 256}
    for task in made.tasks:
        await caller.cancel(task.task_id, **text)
    page = await caller.cancellations.ListCancellations(c.ListCancellationsRequest(page_size=1000))
    assert 2 * 1024 * 1024 < page.ByteSize() < 3 * 1024 * 1024
    found = await listed(caller, page_size=1000)
    assert [one.task_id for one in found] == [task.task_id for task in reversed(made.tasks)]


@pytest.mark.parametrize("what", ["task", "group", "checkout", "order"])
async def test_a_join_is_answered_as_one_and_kept_with_the_first_cancel(caller, what):
    sale = {"order": caller.new_order, "checkout": caller.new_checkout}.get(what)
    if sale is not None:
        made = await sale(1, running=1)
        call, id = getattr(caller, f"cancel_{what}"), getattr(made.made, f"{what}_id")
    else:
        group_id = (await caller.create_group(0)).group.group_id
        held = await caller.running(group_id=group_id)
        if what == "task":
            call, id = caller.cancel, held.task_id
        else:
            call, id = caller.cancel_group, group_id
    first = await call(id, reason="fraud")
    assert (first.joined, first.replayed) == (False, False)
    request_id, asked = new_id(), {"message": "me too", "on_behalf_of": "buyer 9"}
    answer = await call(id, request_id=request_id, reason="timeout", **asked)
    assert (answer.joined, answer.replayed) == (True, False)
    again = await call(id, request_id=request_id, reason="timeout", **asked)
    assert (again.joined, again.replayed) == (True, True)
    assert again.cancellation == answer.cancellation
    (join,) = answer.cancellation.joins
    assert (join.requested_by, join.request_id) == (caller.key_id, request_id)
    assert (join.reason, join.message, join.on_behalf_of) == ("timeout", "me too", "buyer 9")
    assert join.join_time.ToMicroseconds() >= first.cancellation.create_time.ToMicroseconds()
    kept = await caller.cancellation(first.cancellation.cancellation_id)
    assert (kept.join_count, list(kept.joins)) == (1, [join])
    for fields in ({}, {f"{what}_id": id}):
        (one,) = [
            found
            for found in await listed(caller, **fields)
            if found.cancellation_id == kept.cancellation_id
        ]
        assert (one.join_count, list(one.joins)) == (1, [])
