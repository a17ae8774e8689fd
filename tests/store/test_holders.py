"""Checkouts, carts and orders: every field comes back, under the ids that were given, and alone."""

from collections.abc import Callable
from typing import Any

import pytest

from countermand.core.commands import Cancel
from countermand.core.errors import Reason, Refused
from countermand.core.log import TaskFilter
from countermand.core.records import SECOND, Cart, Checkout, Holder, Order
from countermand.core.states import (
    CancellationState,
    CartState,
    CheckoutState,
    OrderState,
    TaskState,
)
from countermand.store.contract import Bookmark, Store
from countermand.store.lists import TaskQuery
from tests.support.ask import (
    C1,
    C2,
    G1,
    NS,
    O1,
    O2,
    OTHER,
    R1,
    T1,
    T2,
    T3,
    T4,
    X1,
    X2,
    XG1,
    acknowledged,
    cancel,
    cancel_checkout,
    cancel_group,
    cancel_order,
    change_cart,
    charge,
    charged,
    complete,
    completed,
    create,
    create_checkout,
    create_group,
    create_order,
    reap,
    start,
    target,
    uid,
    update_order,
)
from tests.support.stores import Keeper

S = TaskState
BYTES = {
    "empty": b"",
    "every byte": bytes(range(256)),
    "text": "Łódź 東京 🛒 \u202e".encode(),
    "no text": b"\xff\xfe\x00\xd8",
    "long": b"\x00" * 1_000_000,
}
NAMES = ["a", "checkout_abc123", "633130-00000004", "a.b:c-D_9", "x" * 128]


async def _holder(keeper: Keeper, kind: str, id: str, ns: int = NS) -> Any:
    found = await keeper.store.holder(target(kind, id, ns))
    return None if found is None else found.holder


async def _checkout(keeper: Keeper, id: str = X1, ns: int = NS) -> Checkout:
    found = await _holder(keeper, "checkout", id, ns)
    assert isinstance(found, Checkout)
    return found


async def _order(keeper: Keeper, id: str = O1, ns: int = NS) -> Order:
    found = await _holder(keeper, "order", id, ns)
    assert isinstance(found, Order)
    return found


async def _same(keeper: Keeper, holder: Holder) -> None:
    """What is read back is what was answered."""
    assert await _holder(keeper, holder.target.kind, holder.target.id) == holder


# Round trips.


@pytest.mark.parametrize("data", BYTES.values(), ids=BYTES)
async def test_snapshots_and_lines_come_back_exactly(keeper: Keeper, data: bytes) -> None:
    await keeper.run(create_checkout(cart_id=C1, snapshot=data, line_items=data))
    await keeper.run(create_order(data=data))
    cart = await keeper.store.cart(NS, C1)
    assert cart == Cart(NS, C1, CartState.LOCKED, X1, data, keeper.now, 1)
    assert (await _checkout(keeper)).snapshot == data
    assert (await _order(keeper)).snapshot == data
    await keeper.run(update_order(data=data[::-1]))
    await keeper.run(change_cart(C1, data[::-1]))
    cart = await keeper.store.cart(NS, C1)
    assert cart is not None
    assert cart.line_items == (await _order(keeper)).snapshot == data[::-1]


@pytest.mark.parametrize("name", NAMES)
async def test_ids_come_back_exactly(keeper: Keeper, name: str) -> None:
    await keeper.run(create_checkout(T1, checkout_id=name, cart_id=name))
    await keeper.run(create_order(T2, order_id=name, checkout_ids=(name,)))
    assert (await _checkout(keeper, name)).cart_id == name
    assert (await _order(keeper, name)).checkout_ids == (name,)
    answer = await keeper.do(cancel_order(name))
    reading = await keeper.store.cancellation(NS, answer.cancellation.cancellation_id)
    assert reading is not None
    assert reading.cancellation == answer.cancellation
    assert [task.task_id for task in reading.covered] == [T1, T2]
    assert [(task.checkout_id, task.order_id) for task in reading.covered] == [
        (name, None),
        (None, name),
    ]


async def test_a_checkout_reads_back_as_it_was_decided_at_every_step(keeper: Keeper) -> None:
    fields = {"cart_id": C1, "expire_time": keeper.now + 900 * SECOND}
    created = await keeper.do(create_checkout(T1, T2, **fields))
    await _same(keeper, created.checkout)
    keeper.now += 1
    await keeper.run(start(T1))
    text = "why 🛒 'quoted'"
    answer = await keeper.do(cancel_checkout(reason=text, message=text, request_id=R1))
    assert answer.target.cancel_message == text
    await _same(keeper, answer.target)
    keeper.now += 1
    batch = await keeper.commit([completed(T1)])
    ended = batch.saves.holders[target("checkout", X1)]
    assert isinstance(ended, Checkout)
    assert (ended.state, ended.cancel_time) == (CheckoutState.PARTIALLY_CANCELLED, keeper.now)
    assert ended.snapshot is None, "an end neither reads nor writes it"
    await _same(keeper, ended.evolve(snapshot=answer.target.snapshot))
    await _same(keeper, batch.saves.holders[target("group", XG1)])


async def test_a_completed_checkout_reads_back(keeper: Keeper) -> None:
    await keeper.run(create_checkout(T1, cart_id=C1))
    await _same(keeper, (await keeper.do(complete())).checkout)
    cart = await keeper.store.cart(NS, C1)
    assert cart == Cart(NS, C1, CartState.CLOSED, X1, b"lines", keeper.now, 2)


async def test_an_order_reads_back_as_it_was_decided_at_every_step(keeper: Keeper) -> None:
    await keeper.run(create_checkout(T1, checkout_id=X2))
    await keeper.run(create_checkout(T2, checkout_id=X1))
    created = await keeper.do(create_order(T3, checkout_ids=(X2, X1), fulfilled=True))
    await _same(keeper, created.order)
    keeper.now += 1
    for ids in ((X1,), (), (X1, X2), (X2, X1)):
        await _same(keeper, (await keeper.do(update_order(checkout_ids=ids))).order)
    await keeper.run(start(T3))
    answer = await keeper.do(cancel_order(reason="fraud", message="m"))
    await _same(keeper, answer.target)
    checkout = await _checkout(keeper, X2)
    assert (checkout.cancel_reason, checkout.cancel_message) == ("fraud", "m")
    batch = await keeper.commit([acknowledged(T3)])
    ended = batch.saves.holders[target("order", O1)]
    assert isinstance(ended, Order)
    assert ended.state is OrderState.CANCELLED
    assert ended.snapshot is None, "an end neither reads nor writes it"
    await _same(keeper, ended.evolve(snapshot=answer.target.snapshot))


async def test_a_closed_order_reads_back(keeper: Keeper) -> None:
    await keeper.run(create_order())
    await _same(
        keeper, (await keeper.do(update_order(close=True, data=b"closed", fulfilled=True))).order
    )


async def test_a_checkout_reads_back_with_the_orders_that_list_it(keeper: Keeper) -> None:
    await keeper.run(create_checkout(T1))
    for order_id in ("b", "a", "c"):
        await keeper.run(create_order(order_id=order_id, checkout_ids=(X1,)))
    assert (await _checkout(keeper)).order_ids == ("a", "b", "c")
    await keeper.run(update_order("b", checkout_ids=()))
    assert (await _checkout(keeper)).order_ids == ("a", "c")


async def test_a_group_reads_back_with_its_parents(keeper: Keeper) -> None:
    await keeper.run(create_order())
    await keeper.run(create_checkout())
    made = await keeper.do(create_group(T1, T2, checkout_id=X1, order_id=O1))
    await _same(keeper, made.group)


async def test_a_task_reads_back_with_parents_charge_refund_and_expiry(keeper: Keeper) -> None:
    await keeper.run(create_checkout())
    await keeper.run(create_order())
    await keeper.run(create(T1, checkout_id=X1, order_id=O1, expire_time=keeper.now + 5))
    await keeper.run(start(T1), charge(T1), charged(T1))
    await keeper.do(cancel_checkout())
    (ended,) = await keeper.run(acknowledged(T1))
    found = await keeper.store.task(NS, T1)
    assert found is not None
    assert found.evolve(number=0) == ended.evolve(number=0)
    assert (found.refund_required, found.expire_time) == (True, keeper.now + 5)


async def test_holders_are_kept_over_a_restart_and_go_on(
    keeper: Keeper, make_store: Callable[[], Store]
) -> None:
    await keeper.run(create_checkout(T1, cart_id=C1))
    await keeper.run(create_order(T2, checkout_ids=(X1,)))
    await keeper.run(start(T1), start(T2))
    answer = await keeper.do(cancel_order(request_id=R1))
    before = [await _checkout(keeper), await _order(keeper), await keeper.store.cart(NS, C1)]
    await keeper.store.close()
    keeper.store = make_store()
    await keeper.store.open(keeper.now)
    assert before == [
        await _checkout(keeper),
        await _order(keeper),
        await keeper.store.cart(NS, C1),
    ]
    again = await keeper.do(cancel_order(request_id=R1))
    assert (again.replayed, again.cancellation) == (True, answer.cancellation)
    await keeper.run(acknowledged(T1), acknowledged(T2))
    assert (await _order(keeper)).state is OrderState.CANCELLED
    cart = await keeper.store.cart(NS, C1)
    assert cart is not None
    assert cart.state is CartState.ACTIVE


async def test_a_refused_command_leaves_no_cart_no_list_and_no_checkout(keeper: Keeper) -> None:
    await keeper.run(create(T1))
    answers = [
        *(await keeper.commit([create_checkout(T1, cart_id=C1)])).answers,
        *(await keeper.commit([create_order(T1)])).answers,
    ]
    assert [a.reason for a in answers if isinstance(a, Refused)] == [Reason.TASK_EXISTS] * 2
    assert await keeper.store.cart(NS, C1) is None
    assert await keeper.store.holder(target("checkout", X1)) is None
    assert await keeper.store.holder(target("order", O1)) is None


# Counts.


CANCELS = (
    cancel(request_id=R1),
    cancel_group(XG1, request_id=R1),
    cancel_checkout(request_id=R1),
    cancel_checkout(C1, by_cart=True, request_id=R1),
    cancel_order(request_id=R1),
)


@pytest.mark.parametrize("first", CANCELS, ids=lambda cancel: type(cancel).__name__)
async def test_a_request_id_of_one_cancel_is_a_conflict_in_every_other(
    keeper: Keeper, first: Cancel
) -> None:
    await keeper.run(create_checkout(T1, cart_id=C1), create_order(checkout_ids=(X1,)), start(T1))
    await keeper.run(first)
    for other in CANCELS:
        if other is first:
            assert (await keeper.do(other)).replayed
            continue
        with pytest.raises(Refused) as caught:
            await keeper.run(other)
        assert caught.value.reason is Reason.REQUEST_ID_CONFLICT


async def test_a_holder_is_read_with_the_counts_of_its_tasks(keeper: Keeper) -> None:
    await keeper.run(create_checkout(T1, T2))
    await keeper.run(create_order(T3, T4, checkout_ids=(X1,)))
    await keeper.run(start(T1), start(T3), completed(T3))
    await keeper.do(cancel_checkout())
    expected = {
        ("checkout", X1): {S.CANCELLING: 1, S.CANCELLED: 1},
        ("group", XG1): {S.CANCELLING: 1, S.CANCELLED: 1},
        ("order", O1): {S.CANCELLING: 1, S.CANCELLED: 1, S.COMPLETED: 1, S.PENDING: 1},
    }
    for (kind, id), counts in expected.items():
        found = await keeper.store.holder(target(kind, id))
        assert found is not None
        assert found.counts == counts
        assert found.holder.task_count == sum(counts.values())


async def test_a_task_of_both_an_order_and_its_checkout_is_there_once(keeper: Keeper) -> None:
    await keeper.run(create_checkout())
    await keeper.run(create_order(checkout_ids=(X1,)))
    await keeper.run(create(T1, checkout_id=X1, order_id=O1))
    found = await keeper.store.holder(target("order", O1))
    assert found is not None
    assert (found.counts, found.holder.task_count) == ({S.PENDING: 1}, 1)
    page = await keeper.store.tasks(NS, TaskQuery(TaskFilter(order_id=O1)), None, 10)
    assert [task.task_id for task in page.tasks] == [T1]
    answer = await keeper.do(cancel_order())
    assert [task.task_id for task in answer.covered] == [T1]
    reading = await keeper.store.cancellation(NS, answer.cancellation.cancellation_id)
    assert reading is not None
    assert [task.task_id for task in reading.covered] == [T1]
    assert reading.cancellation.stopped_count == 1


async def test_a_cancel_of_10000_tasks_beneath_an_order_is_one_transaction(keeper: Keeper) -> None:
    many = [uid(number) for number in range(1, 10_001)]
    await keeper.run(create_checkout(*many[:5_000]))
    await keeper.run(create_order(*many[5_000:], checkout_ids=(X1,)))
    answer = await keeper.do(cancel_order())
    assert [task.task_id for task in answer.covered] == many
    assert answer.cancellation.state is CancellationState.SUCCEEDED
    found = await keeper.store.holder(target("order", O1))
    assert found is not None
    assert found.counts == {S.CANCELLED: 10_000}
    assert found.holder == answer.target


# Namespaces.


async def test_another_namespaces_holders_are_like_unknown_ones(keeper: Keeper) -> None:
    await keeper.run(create_checkout(T1, cart_id=C1))
    await keeper.run(create_order(checkout_ids=(X1,)))
    for ns in (OTHER, 99):
        assert await keeper.store.cart(ns, C1) is None
        for kind, id in (("checkout", X1), ("order", O1), ("group", XG1)):
            assert await keeper.store.holder(target(kind, id, ns)) is None
            chosen = TaskFilter(**{f"{kind}_id": id})
            assert await keeper.store.bookmark(ns, chosen) == Bookmark(
                0, 0, over=False, missing=target(kind, id, ns)
            )
            assert await keeper.store.tasks(ns, TaskQuery(chosen), None, 10) == ([], None)


async def test_the_same_ids_in_two_namespaces_have_their_own_lists_carts_and_ends(
    keeper: Keeper,
) -> None:
    for ns in (NS, OTHER):
        await keeper.run(create_checkout(T1, cart_id=C1, line_items=b"%d" % ns, ns=ns))
        await keeper.run(create_order(T2, checkout_ids=(X1,), data=b"%d" % ns, ns=ns))
    await keeper.run(create_order(order_id=O2, checkout_ids=(X1,), ns=OTHER))
    await keeper.run(update_order(checkout_ids=(), ns=OTHER))
    assert (await _order(keeper)).checkout_ids == (X1,)
    assert (await _checkout(keeper)).order_ids == (O1,)
    assert (await _checkout(keeper, ns=OTHER)).order_ids == (O2,)
    await keeper.do(cancel_order())
    assert (await _checkout(keeper)).state is CheckoutState.CANCELLED
    assert (await _checkout(keeper, ns=OTHER)).state is CheckoutState.OPEN
    theirs = await keeper.store.cart(OTHER, C1)
    assert theirs == Cart(OTHER, C1, CartState.LOCKED, X1, b"2", keeper.now, 1)
    assert [(await _order(keeper, ns=ns)).snapshot for ns in (NS, OTHER)] == [b"1", b"2"]
    assert (await _order(keeper, ns=OTHER)).live_count == 1


async def test_a_namespace_has_its_own_groups_of_an_order(keeper: Keeper) -> None:
    for ns in (NS, OTHER):
        await keeper.run(create_order(ns=ns))
        await keeper.run(create_group(T1, group_id=G1, order_id=O1, ns=ns))
    await keeper.do(cancel_order())
    assert (await _holder(keeper, "group", G1)).closed
    assert not (await _holder(keeper, "group", G1, OTHER)).closed


# What expires.


async def test_what_expires_is_due_and_is_found_in_every_namespace(keeper: Keeper) -> None:
    at = keeper.now + 60 * SECOND
    await keeper.run(create(T1, expire_time=at), create(T2, expire_time=at - 2, ns=OTHER))
    await keeper.run(create_checkout(T3, cart_id=C2, expire_time=at + 2))
    assert await keeper.next_due() == at - 2
    keeper.now = at - 2
    assert (await keeper.do(reap())).expired == 1
    assert await keeper.next_due() == at
    keeper.now = at + 1
    assert (await keeper.do(reap())).expired == 1
    assert await keeper.next_due() == at + 2
    keeper.now = at + 2
    assert (await keeper.do(reap())).expired == 1
    assert await keeper.next_due() is None
    for id, ns in ((T1, NS), (T2, OTHER), (T3, NS)):
        task = await keeper.store.task(ns, id)
        assert task is not None
        assert (task.state, task.cancel_reason) == (S.CANCELLED, "timeout")
    cart = await keeper.store.cart(NS, C2)
    assert cart is not None
    assert cart.state is CartState.ACTIVE


async def test_more_than_one_reap_takes_expires_over_some(keeper: Keeper) -> None:
    ids = [uid(number) for number in range(1, 6)]
    await keeper.run(*[create(id, expire_time=keeper.now) for id in ids])
    for number in range(3):
        await keeper.run(create_checkout(checkout_id=f"x{number}", expire_time=keeper.now))
    counts, more = [], True
    while more:
        reaped = await keeper.do(reap(2))
        counts.append(reaped.expired)
        more = reaped.more
        assert len(counts) < 10
    assert sum(counts) == 8
    assert await keeper.next_due() is None


async def test_what_completed_or_is_cancelling_is_not_due_to_expire(keeper: Keeper) -> None:
    at = keeper.now + 60 * SECOND
    await keeper.run(create_checkout(T1, expire_time=at))
    await keeper.run(complete())
    await keeper.run(create_checkout(T2, checkout_id=X2, expire_time=at))
    await keeper.run(start(T2))
    await keeper.do(cancel_checkout(X2, grace=900 * SECOND))
    assert await keeper.next_due() == keeper.now + 900 * SECOND


async def test_an_answer_counts_the_tasks_as_its_record_is_when_its_batch_is_saved(keeper: Keeper):
    """What commands after it in the same batch do to either is in both, or in neither."""
    await keeper.do(create_checkout(T1, T2))
    made = await keeper.do(create_order(T3, checkout_ids=(X1,)))
    assert made.counts == {S.PENDING: 3}
    await keeper.do(start(T1))
    updated, _, completed_at_once = await keeper.run(
        update_order(data=b"new"), cancel_order(), update_order(data=b"newer")
    )
    reading = await keeper.store.holder(target("order", O1))
    for answer in (updated, completed_at_once):
        assert (answer.order, answer.counts) == reading
    assert updated.counts == {S.CANCELLING: 1, S.CANCELLED: 2}
    assert updated.order.state is OrderState.CANCELLING
    repeated = await keeper.do(update_order(data=b"newer"))
    assert (repeated.order, repeated.counts) == reading
