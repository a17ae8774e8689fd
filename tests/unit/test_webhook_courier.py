"""Who serves an endpoint is woken by what concerns it, and by nothing else."""

import asyncio
from typing import Any, cast

import pytest

from countermand.core.knobs import WebhookKnobs
from countermand.core.webhooks import Attempt
from countermand.webhooks.claims import Claim
from countermand.webhooks.courier import Courier, NotClaimed
from countermand.webhooks.items import Outcome
from tests.support.ask import NS
from tests.support.engine import HandClock
from tests.unit.test_webhook_queue import KNOBS, Endpoint, notice


def courier_of(endpoint: Endpoint) -> tuple[Courier, asyncio.Event]:
    """A courier in the midst of its work, and what wakes it."""
    nothing = cast(Any, None)
    courier = Courier(NS, "w1", nothing, nothing, nothing, nothing, WebhookKnobs(), Claim())
    courier._queue = endpoint.queue
    return courier, courier._wake


def hangs(endpoint: Endpoint) -> None:
    endpoint.commit(*map(notice, range(1, 1000)))
    endpoint.take()


def is_down(endpoint: Endpoint) -> None:
    endpoint.commit(*map(notice, range(1, 10)))
    endpoint.send(500)


def is_gone(endpoint: Endpoint) -> None:
    endpoint.commit(notice(1))
    endpoint.send(410)


@pytest.mark.parametrize("become", [hangs, is_down, is_gone])
async def test_commits_do_not_wake_who_has_no_room_for_their_notices(become: Any) -> None:
    """Else each commit of a tenant would cost a look at all that waits, at each dead endpoint."""
    endpoint = Endpoint()
    become(endpoint)
    courier, wake = courier_of(endpoint)
    courier.hear_of_notices()
    assert not wake.is_set()
    courier.hear_of_change(endpoint.webhook.evolve(epoch=1))
    assert wake.is_set()
    assert courier._may_have_more


async def test_commits_wake_who_has_room_or_is_being_read() -> None:
    endpoint = Endpoint()
    endpoint.commit(*map(notice, range(1, KNOBS.max_in_flight + 2)))
    endpoint.take()
    courier, wake = courier_of(endpoint)
    courier.hear_of_notices()
    assert wake.is_set()
    wake.clear()
    courier._queue = None
    courier.hear_of_notices()
    assert wake.is_set()


async def test_what_others_have_committed_wakes_who_serves_it_once() -> None:
    endpoint = Endpoint()
    courier, wake = courier_of(endpoint)
    courier.hear_of_others(7, 0)  # As it was read.
    assert not wake.is_set()
    courier.hear_of_others(7, 1)
    assert wake.is_set()
    assert not courier._may_be_stale
    endpoint.commit(notice(1))
    endpoint.take()
    wake.clear()
    courier.hear_of_others(7, 1)
    assert not wake.is_set()
    courier.hear_of_others(8, 1)
    assert wake.is_set()
    assert courier._may_be_stale


async def test_nothing_is_sent_without_a_good_claim_and_it_goes_on_with_one() -> None:
    """Also what was about to be sent when the process was frozen."""
    now, sent = 0.0, asyncio.Event()

    async def send(webhook: Any, item: Any, claim: Claim) -> Outcome:
        if not claim.is_good:
            raise NotClaimed
        sent.set()
        return Outcome(Attempt(1, 1, 200, ""))

    endpoint = Endpoint()
    endpoint.commit(notice(1))
    [item] = endpoint.take()
    courier, wake = courier_of(endpoint)
    courier._send, courier._clock = send, HandClock()
    courier._claim = claim = Claim(1, until=10.0, clock=lambda: now, margin=5.0)
    now = 6.0
    await courier._deliver(endpoint.queue, item)
    assert wake.is_set()
    assert not sent.is_set()
    assert item.attempt_count == 0
    courier._is_held_back = True
    wake.clear()
    courier.hear_of_others(1, 0)
    assert not wake.is_set()
    claim.until = 20.0
    courier.hear_of_others(1, 0)
    assert wake.is_set()
    assert endpoint.take() == [item]
    await courier._deliver(endpoint.queue, item)
    assert sent.is_set()
