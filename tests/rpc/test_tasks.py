"""TaskService: announcing work, and reading how it stands."""

import pytest

from countermand.v1 import task_pb2
from countermand.v1 import task_service_pb2 as t
from tests.support.caller import CANCELLED, PENDING, RUNNING, new_id
from tests.support.refusals import refused

pytestmark = pytest.mark.asyncio(loop_scope="session")


def new_group(*ids: str, **fields) -> t.CreateGroupRequest:
    return t.CreateGroupRequest(tasks=[t.CreateTaskRequest(task_id=id) for id in ids], **fields)


async def test_a_new_task_is_pending_at_version_1_as_its_creator_described_it(caller):
    labels = {f"key-{n}": "ü" * 128 for n in range(15)} | {"k" * 128: ""}
    task = await caller.create(merchant="Übersee & Söhne 🛒", labels=labels)
    assert (task.state, task.version) == (PENDING, 1)
    assert task.merchant == "Übersee & Söhne 🛒"
    assert dict(task.labels) == labels
    assert task.create_time == task.update_time
    assert task.task_id[14] == "7"  # ours are UUIDv7
    assert await caller.get(task.task_id) == task


async def test_an_id_may_be_chosen_in_any_case_and_is_answered_in_lower_case(caller):
    task_id, group_id = new_id(), new_id()
    await caller.tasks.CreateGroup(t.CreateGroupRequest(group_id=group_id.upper()))
    task = await caller.create(task_id=task_id.upper(), group_id=group_id.upper())
    assert (task.task_id, task.group_id) == (task_id, group_id)
    assert await caller.get(task_id.upper()) == task
    assert (await caller.group(group_id.upper())).group_id == group_id


async def test_a_taken_id_is_refused_and_another_tenant_does_not_take_it(caller, stranger):
    task = await caller.create()
    made = await caller.create_group(1)
    refusal = await refused(caller.create(task_id=task.task_id.upper()), "TASK_EXISTS")
    assert refusal.metadata == {"task_id": task.task_id}
    call = caller.tasks.CreateGroup(new_group(group_id=made.group.group_id))
    assert (await refused(call, "GROUP_EXISTS")).metadata == {"group_id": made.group.group_id}

    await stranger.create(task_id=task.task_id)
    await stranger.tasks.CreateGroup(new_group(group_id=made.group.group_id))


async def test_a_group_and_its_tasks_are_created_in_order(caller):
    ids = [new_id() for _ in range(20)]
    made = await caller.tasks.CreateGroup(new_group(*ids, closed=True))
    assert [task.task_id for task in made.tasks] == ids
    assert {task.group_id for task in made.tasks} == {made.group.group_id}
    assert (made.group.version, made.group.closed) == (1, True)
    assert made.group.task_counts == [task_pb2.TaskCount(state=PENDING, count=20)]
    assert await caller.group(made.group.group_id) == made.group
    assert len({task.create_time.ToNanoseconds() for task in made.tasks}) == 1


async def test_a_group_is_created_whole_or_not_at_all(caller):
    taken = await caller.create()
    group_id, fresh = new_id(), new_id()
    request = new_group(fresh, taken.task_id, group_id=group_id)
    refusal = await refused(caller.tasks.CreateGroup(request), "TASK_EXISTS")
    assert refusal.metadata == {"task_id": taken.task_id}
    await refused(caller.group(group_id), "GROUP_NOT_FOUND")
    await refused(caller.get(fresh), "TASK_NOT_FOUND")


async def test_the_same_id_twice_in_one_request_is_an_invalid_argument(caller):
    one = new_id()
    request = new_group(new_id(), one, one.upper())
    refusal = await refused(caller.tasks.CreateGroup(request), "INVALID_REQUEST")
    assert list(refusal.fields) == ["tasks[2].task_id"]


async def test_tasks_of_a_group_may_name_that_group_alone(caller):
    group_id = new_id()
    for named, fine in ((group_id.upper(), True), (new_id(), False)):
        request = t.CreateGroupRequest(
            group_id=group_id, tasks=[t.CreateTaskRequest(group_id=named)]
        )
        call = caller.tasks.CreateGroup(request)
        if fine:
            assert (await call).tasks[0].group_id == group_id
        else:
            refusal = await refused(call, "INVALID_REQUEST")
            assert list(refusal.fields) == ["tasks[0].group_id"]


async def test_a_task_joins_an_open_group_and_no_closed_or_unknown_one(caller, stranger):
    made = await caller.create_group(1)
    group_id = made.group.group_id
    await caller.create(group_id=group_id)
    group = await caller.group(group_id)
    assert (group.version, group.task_counts[0].count) == (2, 2)

    closed = (await caller.create_group(0, closed=True)).group.group_id
    refusal = await refused(caller.create(group_id=closed), "GROUP_CLOSED")
    assert refusal.metadata["group_id"] == closed
    cancellation = (await caller.cancel_group(group_id)).cancellation
    refusal = await refused(caller.create(group_id=group_id), "GROUP_CLOSED")
    assert refusal.metadata["cancellation_id"] == cancellation.cancellation_id
    foreign = (await stranger.create_group(0)).group.group_id
    for unknown in (new_id(), foreign):
        await refused(caller.create(group_id=unknown), "GROUP_NOT_FOUND")


async def test_counts_follow_the_states_and_the_version_does_not(caller):
    made = await caller.create_group(4)
    await caller.start(made.tasks[0].task_id)
    await caller.cancel(made.tasks[1].task_id)
    group = await caller.group(made.group.group_id)
    counts = {count.state: count.count for count in group.task_counts}
    assert counts == {PENDING: 2, RUNNING: 1, CANCELLED: 1}
    assert group.version == 1


async def test_tasks_are_listed_newest_first_in_pages_that_stay_right_while_others_come(pager):
    caller = pager
    made = await caller.create_group(120)
    ids = [task.task_id for task in reversed(made.tasks)]
    first = await caller.tasks.ListTasks(t.ListTasksRequest())
    assert [task.task_id for task in first.tasks] == ids[:50]  # the default

    late = await caller.create()
    request = t.ListTasksRequest(page_token=first.next_page_token)
    second = await caller.tasks.ListTasks(request)
    assert [task.task_id for task in second.tasks] == ids[50:100]

    for size in (7, 119, 121, 1000, 2**31 - 1):
        listed = await caller.all_tasks(page_size=size)
        assert [task.task_id for task in listed] == [late.task_id, *ids]


async def test_over_1000_means_1000(pager):
    caller = pager
    await caller.create_group(1001)
    page = await caller.tasks.ListTasks(t.ListTasksRequest(page_size=5000))
    assert len(page.tasks) == 1000
    request = t.ListTasksRequest(page_size=5000, page_token=page.next_page_token)
    rest = await caller.tasks.ListTasks(request)
    assert (len(rest.tasks), rest.next_page_token) == (1, "")


async def test_lists_can_be_filtered(caller):
    made = await caller.create_group(3)
    held = await caller.start(made.tasks[0].task_id, "a-1")
    alone = await caller.running("a-1")
    pending = await caller.create()
    group_id = made.group.group_id

    async def listed(*states, **chosen):
        tasks = await caller.all_tasks(filter=task_pb2.TaskFilter(**chosen), states=states)
        return [task.task_id for task in tasks]

    ids = [task.task_id for task in made.tasks]
    assert await listed(group_id=group_id) == ids[::-1]
    assert await listed(agent_id="a-1") == [alone.task_id, held.task_id]
    assert await listed(agent_id="a-1", group_id=group_id) == [held.task_id]
    assert await listed(agent_id="never-seen") == []
    assert await listed(RUNNING) == [alone.task_id, held.task_id]
    assert await listed(PENDING, PENDING) == [pending.task_id, ids[2], ids[1]]
    assert await listed(PENDING, RUNNING, group_id=group_id) == ids[::-1]
    assert await listed(CANCELLED) == []


async def test_a_page_token_fits_its_own_filter_and_tenant_alone(caller, stranger):
    made = await caller.create_group(3)
    await stranger.create_group(3)
    first = await caller.tasks.ListTasks(t.ListTasksRequest(page_size=1, states=[PENDING]))
    token = first.next_page_token
    chosen = task_pb2.TaskFilter(group_id=made.group.group_id)
    for other, request in (
        (caller, t.ListTasksRequest(page_token=token)),
        (caller, t.ListTasksRequest(page_token=token, states=[RUNNING])),
        (caller, t.ListTasksRequest(page_token=token, states=[PENDING], filter=chosen)),
        (stranger, t.ListTasksRequest(page_token=token, states=[PENDING])),
        (caller, t.ListTasksRequest(page_token=token[:-1], states=[PENDING])),
        (caller, t.ListTasksRequest(page_token="☃", states=[PENDING])),
    ):
        refusal = await refused(other.tasks.ListTasks(request), "PAGE_TOKEN_INVALID")
        assert list(refusal.fields) == ["page_token"]
    again = await caller.all_tasks(page_token=token, states=[PENDING, PENDING], page_size=5)
    assert len(again) == 2


async def test_an_unknown_group_in_a_filter_is_not_found(caller, stranger):
    foreign = (await stranger.create_group(1)).group.group_id
    for group_id in (new_id(), foreign):
        request = t.ListTasksRequest(filter=task_pb2.TaskFilter(group_id=group_id))
        await refused(caller.tasks.ListTasks(request), "GROUP_NOT_FOUND")


async def test_at_most_10000_tasks_are_in_one_group(caller):
    request = t.CreateGroupRequest(tasks=[t.CreateTaskRequest() for _ in range(10_001)])
    refusal = await refused(caller.tasks.CreateGroup(request), "TOO_MANY_TASKS")
    assert list(refusal.fields) == ["tasks"]

    made = await caller.create_group(10_000)
    refusal = await refused(caller.create(group_id=made.group.group_id), "TOO_MANY_TASKS")
    assert list(refusal.fields) == ["group_id"]
    group = await caller.group(made.group.group_id)
    assert (group.version, group.task_counts[0].count) == (1, 10_000)


async def test_pages_end_early_to_stay_small(pager):
    caller = pager
    labels = {f"{n:0>64}" + "🛒" * 64: "🛒" * 128 for n in range(16)}
    ids = []
    for _ in range(2):
        named = [new_id() for _ in range(230)]
        ids += named
        tasks = [
            t.CreateTaskRequest(task_id=id, labels=labels, merchant="🛒" * 128) for id in named
        ]
        made = await caller.tasks.CreateGroup(t.CreateGroupRequest(tasks=tasks))
        shown = [task.task_id for task in made.tasks]
        assert shown == named[: len(shown)]
        assert len(shown) + made.tasks_left_out == 230
        assert made.tasks_left_out > 0
        assert made.ByteSize() < 3.5 * 1024 * 1024
    listed, token, pages = [], "", 0
    while not pages or token:
        page = await caller.tasks.ListTasks(t.ListTasksRequest(page_size=1000, page_token=token))
        assert page.ByteSize() < 3 * 1024 * 1024
        listed += [task.task_id for task in page.tasks]
        token = page.next_page_token
        pages += 1
    assert listed == ids[::-1]
    assert pages > 1
