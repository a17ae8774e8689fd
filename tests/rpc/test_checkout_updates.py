"""UpdateCheckout: what its mask means, and that a cancel answers with what was said last."""

import asyncio

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from countermand.v1 import checkout_pb2
from countermand.v1 import checkout_service_pb2 as s
from tests.support.caller import CANCELLING, SECONDS, Caller
from tests.support.records import full_checkout, snapshot_of
from tests.support.refusals import refused
from tests.support.sales import state_of

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def update(caller: Caller, checkout_id: str, *paths: str, **fields) -> checkout_pb2.Checkout:
    """Updates a checkout; the paths are its mask."""
    expected = fields.pop("expected_version", None)
    request = s.UpdateCheckoutRequest(
        checkout=checkout_pb2.Checkout(checkout_id=checkout_id, **fields),
        expected_version=expected,
    )
    request.update_mask.paths.extend(paths)
    return (await caller.checkouts.UpdateCheckout(request, timeout=SECONDS)).checkout


def totals(amount: int) -> list[checkout_pb2.Total]:
    return [checkout_pb2.Total(type="total", amount=amount)]


async def test_a_cancel_answers_with_the_totals_that_were_said_last(caller):
    sale = await caller.new_checkout(2, running=1, cart_id="cart", totals=totals(100))
    before, cart = await caller.checkout(sale.made.checkout_id), await caller.cart("cart")
    after = await update(caller, sale.made.checkout_id, totals=totals(80), cart_id="ignored")
    assert list(after.totals) == totals(80)
    assert (after.version, after.cart_id) == (before.version + 1, "cart")
    assert after.task_counts == before.task_counts
    assert await caller.checkout(sale.made.checkout_id) == after
    assert await caller.cart("cart") == cart
    answer = await caller.cancel_checkout(sale.made.checkout_id)
    assert list(answer.checkout.totals) == totals(80)


async def test_without_a_mask_all_changes_that_is_set_and_with_a_star_all_of_the_snapshot(caller):
    full = full_checkout()
    expire_time = Timestamp(seconds=4_000_000_000)
    made = (await caller.new_checkout(expire_time=expire_time)).made
    changed = full_checkout(checkout_id=made.checkout_id)
    request = s.UpdateCheckoutRequest(checkout=changed)
    answer = await caller.checkouts.UpdateCheckout(request, timeout=SECONDS)
    assert snapshot_of(answer.checkout) == snapshot_of(full)
    assert answer.checkout.expire_time == expire_time
    emptied = await update(caller, made.checkout_id, "*", currency="EUR")
    assert snapshot_of(emptied) == checkout_pb2.Checkout(currency="EUR")
    assert emptied.expire_time == expire_time
    assert not (await update(caller, made.checkout_id, "expire_time")).HasField("expire_time")


async def test_a_path_leads_into_a_message(caller):
    made = (await caller.new_checkout(buyer={"first_name": "Ada", "email": "old"})).made
    after = await update(caller, made.checkout_id, "buyer.email", buyer={"email": "new"})
    assert (after.buyer.first_name, after.buyer.email) == ("Ada", "new")
    cleared = await update(caller, made.checkout_id, "buyer.email")
    assert cleared.buyer.email == ""


@pytest.mark.parametrize(
    "path", ["", "nothing", "state", "version", "cart_id", "group_id", "totals.amount", "buyer.x"]
)
async def test_what_cannot_be_changed_is_refused(caller, path):
    made = (await caller.new_checkout()).made
    refusal = await refused(update(caller, made.checkout_id, path), "INVALID_REQUEST")
    assert list(refusal.fields) == ["update_mask.paths[0]"]
    assert await caller.checkout(made.checkout_id) == made


async def test_a_time_in_the_past_is_refused(caller):
    made = (await caller.new_checkout()).made
    for paths in ((), ("expire_time",)):
        call = update(caller, made.checkout_id, *paths, expire_time=Timestamp(seconds=1))
        assert list((await refused(call, "INVALID_REQUEST")).fields) == ["checkout.expire_time"]
    # What the mask does not name is not read.
    await update(caller, made.checkout_id, "currency", expire_time=Timestamp(seconds=1))


async def test_an_update_of_another_version_changes_nothing(caller):
    made = (await caller.new_checkout()).made
    late = update(caller, made.checkout_id, currency="EUR", expected_version=2)
    assert (await refused(late, "VERSION_MISMATCH")).metadata["version"] == "1"
    assert await caller.checkout(made.checkout_id) == made
    await update(caller, made.checkout_id, currency="EUR", expected_version=1)


async def test_an_update_raced_against_a_cancel_is_before_it_or_refused(caller):
    for number in range(20):
        sale = await caller.new_checkout(1, running=1, totals=totals(1))
        updating = asyncio.create_task(update(caller, sale.made.checkout_id, totals=totals(2)))
        cancelled = await caller.cancel_checkout(sale.made.checkout_id)
        outcome = (await asyncio.gather(updating, return_exceptions=True))[0]
        first = not isinstance(outcome, BaseException)
        assert list(cancelled.checkout.totals) == totals(2 if first else 1), number
        shown = await caller.checkout(sale.made.checkout_id)
        assert shown.totals == cancelled.checkout.totals
        assert state_of(shown) == "CANCELLING"
        assert (await caller.get(sale.tasks[0].task_id)).state == CANCELLING
        if not first:
            await refused(
                update(caller, sale.made.checkout_id, totals=totals(2)), "CANCELLATION_REQUESTED"
            )
