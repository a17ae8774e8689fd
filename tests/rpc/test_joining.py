"""How tasks and groups come under groups, checkouts and orders, and when they may no longer."""

import pytest

from countermand.v1 import order_pb2
from countermand.v1 import task_service_pb2 as t
from tests.support.caller import PENDING, Caller, new_id
from tests.support.refusals import refused
from tests.support.sales import counts, end_all

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLOSED = order_pb2.ORDER_STATE_CLOSED


async def group_of(caller: Caller, count: int = 0, **fields):
    return (await caller.create_group(count, **fields)).group


async def test_a_task_of_a_checkout_joins_its_group_and_changes_both_versions(caller):
    sale = await caller.new_checkout(1)
    checkout = sale.made
    order = await caller.new_order(checkout_ids=[checkout.checkout_id])
    task = await caller.create(checkout_id=checkout.checkout_id)
    assert (task.checkout_id, task.group_id) == (checkout.checkout_id, checkout.group_id)
    assert task.order_id == ""  # it is under the order that lists its checkout all the same
    for found in (
        await caller.checkout(checkout.checkout_id),
        await caller.group(checkout.group_id),
        await caller.order(order.made.order_id),
    ):
        assert (found.version, counts(found)) == (2, {PENDING: 2})
    by_group = await caller.create(group_id=checkout.group_id)
    assert by_group.checkout_id == checkout.checkout_id
    assert (await caller.checkout(checkout.checkout_id)).version == 3


async def test_a_task_inherits_the_checkout_and_order_of_its_group(caller):
    order_id = (await caller.new_order()).made.order_id
    checkout_id = (await caller.new_checkout()).made.checkout_id
    group = await group_of(caller, 1, order_id=order_id, checkout_id=checkout_id)
    assert (group.order_id, group.checkout_id) == (order_id, checkout_id)
    checkout = await caller.checkout(checkout_id)
    assert (checkout.group_id, counts(checkout)) == (group.group_id, {PENDING: 1})
    for named in (
        {"group_id": group.group_id},
        {"checkout_id": checkout_id},
        {"group_id": group.group_id, "checkout_id": checkout_id, "order_id": order_id},
    ):
        task = await caller.create(**named)
        assert (task.group_id, task.checkout_id, task.order_id) == (
            group.group_id,
            checkout_id,
            order_id,
        )
    assert counts(await caller.order(order_id)) == {PENDING: 4}


async def test_a_task_may_be_of_a_checkout_without_a_group_and_of_an_order(caller):
    checkout_id = (await caller.new_checkout()).made.checkout_id
    order_id = (await caller.new_order(checkout_ids=[checkout_id])).made.order_id
    task = await caller.create(checkout_id=checkout_id, order_id=order_id)
    assert (task.group_id, task.checkout_id, task.order_id) == ("", checkout_id, order_id)
    # Under the order it counts once, though it is there for two reasons.
    assert counts(await caller.order(order_id)) == {PENDING: 1}
    answer = await caller.cancel_order(order_id)
    assert len(answer.cancellation.results) == 1


async def test_what_does_not_agree_is_refused_and_nothing_changes(caller):
    sale = await caller.new_checkout(1)
    checkout_id, group_id = sale.made.checkout_id, sale.made.group_id
    other = await group_of(caller)
    orders = [(await caller.new_order()).made.order_id for _ in range(2)]
    of_order = await group_of(caller, order_id=orders[0])
    for field, named in (
        ("group_id", {"checkout_id": checkout_id, "group_id": other.group_id}),
        ("order_id", {"group_id": of_order.group_id, "order_id": orders[1]}),
    ):
        refusal = await refused(caller.create(**named), "INVALID_REQUEST")
        assert list(refusal.fields) == [field]
    # A second group for one checkout.
    second = caller.create_group(0, checkout_id=checkout_id, group_id=new_id())
    assert list((await refused(second, "INVALID_REQUEST")).fields) == ["checkout_id"]
    # In CreateGroup a task says the same, or nothing.
    request = t.CreateGroupRequest(order_id=orders[0], tasks=[{"order_id": orders[1]}])
    refusal = await refused(caller.tasks.CreateGroup(request), "INVALID_REQUEST")
    assert list(refusal.fields) == ["tasks[0].order_id"]
    same = {"order_id": orders[0]}
    made = await caller.tasks.CreateGroup(t.CreateGroupRequest(**same, tasks=[same, {}]))
    assert {task.order_id for task in made.tasks} == {orders[0]}
    assert (await caller.checkout(checkout_id)).version == 1
    assert (await caller.group(group_id)).version == 1


@pytest.mark.parametrize("field", ["group_id", "checkout_id", "order_id"])
async def test_an_unknown_parent_is_not_found(caller, field):
    kind = field.removesuffix("_id")
    name = new_id()
    reason = f"{kind.upper()}_NOT_FOUND"
    assert (await refused(caller.create(**{field: name}), reason)).resource == (kind, name)
    listing = caller.tasks.ListTasks(t.ListTasksRequest(filter={field: name}))
    assert (await refused(listing, reason)).resource == (kind, name)
    assert (await refused(caller.listed(**{field: name}), reason)).resource == (kind, name)
    if field != "group_id":
        await refused(caller.create_group(1, **{field: name}), reason)


@pytest.mark.parametrize("running", [0, 1])
async def test_late_joiners_of_a_cancelled_parent_are_refused_with_its_own_reason(caller, running):
    sale = await caller.new_checkout(1, running=running)
    order = await caller.new_order(1, running=running)
    made = await caller.create_group(1)
    of_group = [await caller.start(made.tasks[0].task_id)] if running else []
    await caller.cancel_checkout(sale.made.checkout_id)
    await caller.cancel_order(order.made.order_id)
    await caller.cancel_group(made.group.group_id)
    for held in ([], [*sale.held, *order.held, *of_group]):  # while it winds down, and after
        await end_all(caller, held)
        for named, reason in (
            ({"group_id": made.group.group_id}, "GROUP_CLOSED"),
            ({"checkout_id": sale.made.checkout_id}, "CHECKOUT_ALREADY_CANCELLED"),
            ({"group_id": sale.made.group_id}, "GROUP_CLOSED"),
            ({"order_id": order.made.order_id}, "ORDER_ALREADY_CANCELLED"),
        ):
            await refused(caller.create(**named), reason)
            if "group_id" not in named:
                await refused(caller.create_group(1, **named), reason)
    assert sum(counts(await caller.order(order.made.order_id)).values()) == 1


async def test_late_joiners_of_what_was_completed_or_closed_are_refused(caller):
    sale = await caller.new_checkout(1)
    await caller.complete(sale.made.checkout_id)
    order_id = (await caller.new_order()).made.order_id
    await caller.update_order(order_id, state=CLOSED)
    closed = await group_of(caller, closed=True)
    for named, reason in (
        ({"checkout_id": sale.made.checkout_id}, "CHECKOUT_ALREADY_COMPLETED"),
        ({"group_id": sale.made.group_id}, "GROUP_CLOSED"),
        ({"order_id": order_id}, "ORDER_CLOSED"),
        ({"group_id": closed.group_id}, "GROUP_CLOSED"),
    ):
        await refused(caller.create(**named), reason)
    for named, reason in (
        ({"checkout_id": sale.made.checkout_id}, "CHECKOUT_ALREADY_COMPLETED"),
        ({"order_id": order_id}, "ORDER_CLOSED"),
    ):
        await refused(caller.create_group(0, **named), reason)


async def test_a_checkout_of_a_cancelled_order_lets_no_task_join(caller):
    sale = await caller.new_checkout(1, running=1)
    order = await caller.new_order(checkout_ids=[sale.made.checkout_id])
    await caller.cancel_order(order.made.order_id)
    late = caller.create(checkout_id=sale.made.checkout_id)
    await refused(late, "CHECKOUT_ALREADY_CANCELLED")


async def test_lists_choose_by_checkout_and_order(caller):
    sale = await caller.new_checkout(2)
    order = await caller.new_order(1, checkout_ids=[sale.made.checkout_id])
    await caller.create()

    async def ids(**chosen):
        return [task.task_id for task in await caller.all_tasks(filter=chosen)]

    of_checkout = [task.task_id for task in reversed(sale.tasks)]
    assert await ids(checkout_id=sale.made.checkout_id) == of_checkout
    assert await ids(order_id=order.made.order_id) == [order.tasks[0].task_id, *of_checkout]
    both = {"order_id": order.made.order_id, "checkout_id": sale.made.checkout_id}
    assert await ids(**both) == of_checkout
