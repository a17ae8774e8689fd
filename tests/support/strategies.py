"""Random commands over few ids, so that they meet."""

from typing import Any

from hypothesis import strategies as st

from countermand.core import commands as c
from countermand.core.records import SECOND
from countermand.core.states import ChargeState, OrderState, RefundState, TaskState
from tests.support import ask
from tests.support.ask import C1, C2, FIRST_TIME, G1, G2, NS, O1, O2, OTHER, X1, X2, XG1, XG2, uid

S = TaskState

task_ids = st.sampled_from([uid(number) for number in range(1, 9)])
group_ids = st.sampled_from([G1, G2])
all_group_ids = st.sampled_from([G1, G2, XG1, XG2])
checkout_ids = st.sampled_from([X1, X2])
cart_ids = st.sampled_from([C1, C1, C2])
order_ids = st.sampled_from([O1, O2])
agents = st.sampled_from(["agent-1", "agent-2"])
leases = st.sampled_from([SECOND, 5 * SECOND, 3600 * SECOND])
spaces = st.sampled_from([NS] * 11 + [OTHER])
expiries = st.sampled_from([None, None, FIRST_TIME + 5 * SECOND, FIRST_TIME + 40 * SECOND])
few_tasks = st.lists(task_ids, unique=True, max_size=3)
listed = st.lists(checkout_ids, unique=True, max_size=2).map(tuple)
fences = st.sampled_from([1, 1, 1, 2, 3])
request_ids = st.sampled_from([None, None, uid(0xB1), uid(0xB2), uid(0xB3)])
cancel_fields = st.fixed_dictionaries(
    {
        "ns": spaces,
        "grace": st.sampled_from([0, 5 * SECOND, 30 * SECOND]),
        "request_id": request_ids,
        "reason": st.sampled_from(["fraud", "timeout"]),
        "expected_version": st.sampled_from([None, None, None, None, 1, 2, 3]),
        "validate_only": st.sampled_from([False, False, False, True]),
    }
)

creations: Any = st.one_of(
    st.builds(
        ask.create,
        task_ids,
        st.none() | all_group_ids,
        checkout_id=st.none() | checkout_ids,
        order_id=st.none() | order_ids,
        expire_time=expiries,
        ns=spaces,
    ),
    st.builds(
        lambda ids, **fields: ask.create_group(*ids, **fields),
        few_tasks,
        group_id=group_ids,
        closed=st.booleans(),
        checkout_id=st.none() | checkout_ids,
        order_id=st.none() | order_ids,
        ns=spaces,
    ),
)
sales: Any = st.one_of(
    st.builds(
        lambda ids, **fields: ask.create_checkout(*ids, **fields),
        few_tasks,
        checkout_id=checkout_ids,
        cart_id=st.none() | cart_ids,
        supersede=st.booleans(),
        expire_time=expiries,
        ns=spaces,
    ),
    st.builds(ask.complete, checkout_ids, ns=spaces),
    st.builds(
        lambda id, expiry, **fields: ask.update_checkout(id, **fields, **expiry),
        checkout_ids,
        st.sampled_from([{}, {}, {"expire_time": None}, {"expire_time": FIRST_TIME + 5 * SECOND}]),
        data=st.sampled_from([None, b"a", b"b"]),
        expected_version=st.sampled_from([None, None, None, 1, 2]),
        ns=spaces,
    ),
    st.builds(
        ask.create_order,
        order_id=order_ids,
        state=st.sampled_from([OrderState.CLOSED, OrderState.CANCELLED]),
        ns=spaces,
    ),
    st.builds(ask.change_cart, cart_ids, st.sampled_from([b"", b"a"]), ns=spaces),
    st.builds(
        lambda ids, **fields: ask.create_order(*ids, **fields),
        few_tasks,
        order_id=order_ids,
        checkout_ids=listed,
        fulfilled=st.sampled_from([False, False, False, True]),
        ns=spaces,
    ),
    st.builds(
        ask.update_order,
        order_ids,
        data=st.sampled_from([None, b"a", b"b"]),
        fulfilled=st.sampled_from([False, False, False, True]),
        checkout_ids=st.none() | listed,
        close=st.sampled_from([False, False, False, True]),
        ns=spaces,
    ),
)
work: Any = st.one_of(
    st.builds(ask.start, task_ids, agents, lease=leases, ns=spaces),
    st.builds(ask.renew, agents, lease=leases, ns=spaces),
    st.builds(
        ask.finish,
        task_ids,
        st.sampled_from([S.COMPLETED, S.FAILED, S.CANCELLED]),
        fence=fences,
        ns=spaces,
    ),
    st.builds(ask.charge, task_ids, fence=fences, ns=spaces),
    st.builds(
        ask.charged,
        task_ids,
        st.sampled_from([ChargeState.CAPTURED, ChargeState.FAILED, ChargeState.VOIDED]),
        fence=fences,
        ns=spaces,
    ),
)
settlements: Any = st.builds(
    ask.settle,
    task_ids,
    st.sampled_from([RefundState.REFUNDED, RefundState.NOT_OWED]),
    amount=st.sampled_from([None, None, 500]),
    currency=st.sampled_from(["", "EUR"]),
    request_id=request_ids,
    ns=spaces,
)
small_cancels: Any = st.one_of(
    st.builds(lambda id, fields: ask.cancel(id, **fields), task_ids, cancel_fields),
    st.builds(
        lambda id, fields: ask.cancel(
            id, **fields | {"allow_missing": True, "expected_version": None}
        ),
        task_ids,
        cancel_fields,
    ),
)
cancels: Any = st.one_of(
    small_cancels,
    st.builds(lambda id, fields: ask.cancel_group(id, **fields), all_group_ids, cancel_fields),
    st.builds(lambda id, fields: ask.cancel_checkout(id, **fields), checkout_ids, cancel_fields),
    st.builds(
        lambda id, fields: ask.cancel_checkout(id, by_cart=True, **fields), cart_ids, cancel_fields
    ),
    st.builds(lambda id, fields: ask.cancel_order(id, **fields), order_ids, cancel_fields),
)
commands: Any = st.one_of(creations, sales, work, work, settlements, cancels)
batches: Any = st.lists(
    st.one_of(
        creations, work, work, settlements, small_cancels, st.builds(ask.complete, checkout_ids)
    ).filter(lambda command: not isinstance(command, c.CreateGroup)),
    min_size=2,
    max_size=8,
)
"""What commits together: the rest has a batch of its own."""
