"""Who serves an endpoint is woken by what concerns it, and by nothing else."""

import asyncio
from typing import Any, cast

import pytest

from countermand.core.knobs import WebhookKnobs
from countermand.webhooks.courier import Courier
from tests.support.ask import NS
from tests.unit.test_webhook_queue import KNOBS, Endpoint, notice


def courier_of(endpoint: Endpoint) -> tuple[Courier, asyncio.Event]:
    """A courier in the midst of its work, and what wakes it."""
    nothing = cast(Any, None)
    courier = Courier(NS, "w1", nothing, nothing, nothing, nothing, WebhookKnobs())
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
