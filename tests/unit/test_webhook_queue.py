"""What is sent to an endpoint, and when: by a clock that the test moves, without a network."""

from bisect import bisect_right
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermand.core.knobs import WebhookKnobs
from countermand.core.records import SECOND
from countermand.core.webhooks import (
    DAY,
    DISABLED_AFTER,
    FAILING_AFTER,
    HOUR,
    LIFETIME,
    SCHEDULE,
    Attempt,
    Delivery,
    DeliveryState,
    DisableReason,
    Health,
    Notice,
    Secret,
    Webhook,
    WebhookState,
)
from countermand.webhooks.items import Item, Outcome
from countermand.webhooks.queue import EndpointQueue
from tests.support.ask import FIRST_TIME, NS

MINUTE = 60 * SECOND
KNOBS = WebhookKnobs()


def notice(number: int, subject: str = "", type: str = "task.cancelled") -> Notice:
    return Notice(NS, number, type, subject or f"task:{number}", FIRST_TIME, f"body {number}")


class Endpoint:
    """A queue, its store in memory, and a clock."""

    def __init__(self, random: float = 0.0, **fields: Any) -> None:
        self.now = FIRST_TIME
        self.webhook = Webhook(
            namespace=NS,
            environment="sandbox",
            webhook_id="w1",
            name="",
            url="https://a.example/",
            event_types=fields.pop("event_types", ()),
            secrets=(Secret("whsec_a"),),
            **fields,
        )
        self.outbox: list[Notice] = []
        self.kept: dict[int, Delivery] = {}
        self.random = random
        self.sent: list[int] = []
        self.restart()

    def restart(self) -> None:
        """Begins anew with what is stored."""
        pending = [one for one in self.kept.values() if one.state is DeliveryState.PENDING]
        self.queue = EndpointQueue(self.webhook, pending, KNOBS, lambda: self.random)

    def commit(self, *notices: Notice) -> None:
        self.outbox += notices

    def take(self) -> list[Item]:
        """Returns what is sent now."""
        after = self.queue.read_after()
        if after is not None:
            begin = bisect_right(self.outbox, after, key=lambda one: one.number)
            self.queue.add(self.outbox[begin : begin + KNOBS.max_ahead])
        taken = self.queue.take(self.now)
        self.sent += [item.notice.number for item in taken]
        return taken

    def answer(self, item: Item, status: int = 200, retry_after: int | None = None) -> None:
        error = "" if status == 200 else f"answered {status}"
        self.queue.done(item, Outcome(Attempt(self.now, 1, status, error), retry_after), self.now)

    def flush(self) -> None:
        command = self.queue.flush(self.now)
        if command is None:
            return
        self.kept |= {one.notice.number: one for one in command.deliveries}
        state = self.webhook.state
        since = command.health.failing_since
        if since is not None and self.now - since >= FAILING_AFTER:
            state = WebhookState.FAILING
        elif state is WebhookState.FAILING:
            state = WebhookState.ENABLED
        if command.health.disable_reason:
            state = WebhookState.DISABLED
        self.webhook = self.webhook.evolve(
            cursor=command.cursor,
            health=command.health,
            state=state,
            missed_count=self.webhook.missed_count + command.missed,
        )
        self.queue.written(self.webhook)

    def send(self, status: int = 200, retry_after: int | None = None) -> list[int]:
        """Sends what is due, and answers all of it alike. Returns the numbers."""
        taken = self.take()
        for item in taken:
            self.answer(item, status, retry_after)
        self.flush()
        return [item.notice.number for item in taken]

    def wait(self) -> int:
        """Lets time pass until something is to be sent. Returns how long that took."""
        begin = self.now
        while (due := self.queue.next_time()) is not None:
            self.now = max(self.now, due)
            if self.queue.flush(self.now) is None or due > begin:
                break
        return self.now - begin


def test_what_is_taken_moves_the_cursor_and_leaves_no_row() -> None:
    endpoint = Endpoint()
    endpoint.commit(*map(notice, range(1, 21)))
    while endpoint.send():
        pass
    assert endpoint.sent == list(range(1, 21))
    assert (endpoint.webhook.cursor, endpoint.kept) == (20, {})
    assert endpoint.webhook.health == Health(endpoint.now)


def test_at_most_so_many_are_under_way_at_once_one_for_each_subject() -> None:
    endpoint = Endpoint()
    endpoint.commit(*[notice(n, f"task:{n // 2}") for n in range(2, 42)])
    taken = endpoint.take()
    assert [item.notice.number for item in taken] == [2, 4, 6, 8, 10, 12, 14, 16]
    endpoint.answer(taken[0])
    assert [item.notice.number for item in endpoint.take()] == [3]


def test_types_that_it_does_not_want_are_passed_over() -> None:
    endpoint = Endpoint(event_types=("task.failed",))
    endpoint.commit(notice(1), notice(2, type="task.failed"), notice(3))
    assert endpoint.send() == [2]
    assert endpoint.webhook.cursor == 3


@pytest.mark.parametrize("random", [0.0, 0.5, 0.999])
def test_a_notice_is_tried_by_the_schedule_with_jitter_and_then_given_up(random: float) -> None:
    endpoint = Endpoint(random)
    endpoint.commit(notice(1), notice(2))
    first, other = endpoint.take()
    endpoint.answer(first, 500)
    endpoint.answer(other)
    endpoint.flush()
    begin, waits = endpoint.now, []
    number = 2
    for _ in SCHEDULE:
        waits.append(endpoint.kept[1].next_time - endpoint.now)
        endpoint.now = endpoint.kept[1].next_time
        assert endpoint.send(500) == [1]
        number += 1
        endpoint.commit(notice(number))
        assert endpoint.send() == [number]  # It lives, and is not disabled for one notice.
    for wait, step in zip(waits, SCHEDULE, strict=True):
        assert 0.9 * step <= wait <= step
    assert endpoint.now - begin <= LIFETIME
    assert endpoint.kept[1].state is DeliveryState.FAILED
    assert len(endpoint.kept[1].attempts) == 10
    assert endpoint.webhook.missed_count == 1
    endpoint.now += 2 * DAY
    assert endpoint.send() == []


def test_later_ones_of_a_subject_wait_for_four_failures_and_no_more() -> None:
    endpoint = Endpoint()
    endpoint.commit(notice(1, "task:a"), notice(2, "task:a"), notice(3, "task:b"))
    one, three = endpoint.take()
    assert (one.notice.number, three.notice.number) == (1, 3)
    endpoint.answer(one, 500)
    endpoint.answer(three)
    endpoint.flush()
    assert endpoint.webhook.cursor == 3  # Number 2 waits as a row of its own.
    assert sorted(endpoint.kept) == [1, 2]
    for step in SCHEDULE[:3]:
        assert endpoint.send() == []
        endpoint.now += step
        assert endpoint.send(500) == [1]
    assert endpoint.send() == [2]
    assert endpoint.kept[2].state is DeliveryState.SUCCEEDED
    assert endpoint.kept[1].state is DeliveryState.PENDING


def test_a_notice_that_failed_is_a_row_only_once_the_endpoint_took_another() -> None:
    endpoint = Endpoint()
    endpoint.commit(notice(1))
    assert endpoint.send(500) == [1]
    assert (endpoint.webhook.cursor, endpoint.kept) == (0, {})
    endpoint.commit(notice(2))
    assert endpoint.send() == [2]
    assert (endpoint.webhook.cursor, sorted(endpoint.kept)) == (2, [1])


def test_a_dead_endpoint_is_a_cursor_that_stands_and_is_asked_once_at_each_step() -> None:
    endpoint = Endpoint()
    endpoint.commit(*map(notice, range(1, 100_001)))
    assert len(endpoint.send(500)) == KNOBS.max_in_flight
    for step in SCHEDULE[:7]:
        assert endpoint.send(500) == []
        endpoint.now += step - 1
        assert endpoint.send(500) == []
        endpoint.now += 1
        assert len(endpoint.send(500)) == 1
    assert (endpoint.webhook.cursor, endpoint.kept) == (0, {})
    assert len(endpoint.queue._ahead) <= KNOBS.max_ahead
    endpoint.now += SCHEDULE[7]
    assert len(endpoint.send(200)) == 1
    seen = set(endpoint.sent[-1:])
    while sent := endpoint.send(200):
        seen |= set(sent)
    assert seen == set(range(1, 100_001))
    assert endpoint.webhook.cursor == 100_000


def test_a_restart_keeps_to_the_schedule_of_a_dead_endpoint() -> None:
    endpoint = Endpoint()
    endpoint.commit(*map(notice, range(1, 50)))
    endpoint.send(500)
    endpoint.now += SCHEDULE[0]
    endpoint.send(500)
    endpoint.restart()
    assert endpoint.send(500) == []
    endpoint.now += SCHEDULE[1]
    assert len(endpoint.send(500)) == 1


def test_a_poisonous_notice_alone_keeps_no_later_one_waiting() -> None:
    endpoint = Endpoint()
    endpoint.commit(notice(1))
    for step in SCHEDULE[:5]:
        assert endpoint.send(500) == [1]
        endpoint.now += step
    assert endpoint.now - FIRST_TIME > FAILING_AFTER
    endpoint.send(500)
    endpoint.commit(notice(2))
    assert endpoint.send(200) == [2]


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_obeyed_by_the_whole_endpoint_up_to_24_hours(status: int) -> None:
    endpoint = Endpoint()
    endpoint.commit(notice(1), notice(2))
    one, two = endpoint.take()
    endpoint.answer(one, status, 2 * HOUR)
    endpoint.answer(two)
    endpoint.flush()
    endpoint.commit(notice(3))
    endpoint.now += 2 * HOUR - 1
    assert endpoint.send() == []
    endpoint.restart()
    assert endpoint.send() == []
    endpoint.now += 1
    assert endpoint.send(status, 100 * DAY) == [1, 3]
    endpoint.now += DAY
    assert sorted(endpoint.send()) == [1, 3]


def test_410_disables_at_once_and_enabling_goes_on_where_it_stood() -> None:
    endpoint = Endpoint()
    endpoint.commit(notice(1), notice(2, "task:1"))
    assert endpoint.send(410) == [1]
    assert endpoint.webhook.state is WebhookState.DISABLED
    assert endpoint.webhook.health.disable_reason is DisableReason.GONE
    endpoint.now += DAY
    assert endpoint.send() == []
    endpoint.restart()
    assert endpoint.send() == []
    endpoint.webhook = endpoint.webhook.evolve(state=WebhookState.ENABLED, health=Health(), epoch=1)
    endpoint.queue.change(endpoint.webhook)
    assert endpoint.send() == [1]
    assert endpoint.send() == [2]
    assert endpoint.webhook.cursor == 2


def test_five_days_without_a_success_disable() -> None:
    endpoint = Endpoint()
    endpoint.commit(*map(notice, range(1, 30)))
    while endpoint.webhook.state is not WebhookState.DISABLED:
        endpoint.send(500)
        assert endpoint.now - FIRST_TIME < DISABLED_AFTER + DAY
        endpoint.now += HOUR
    assert endpoint.now - FIRST_TIME >= DISABLED_AFTER
    assert endpoint.webhook.health.disable_reason is DisableReason.NO_SUCCESS


def test_a_test_is_sent_once_whatever_the_state() -> None:
    endpoint = Endpoint(state=WebhookState.DISABLED)
    asked = Delivery(
        webhook_id="w1", notice=notice(1, "test:1"), begin_time=0, next_time=0, once=True
    )
    endpoint.commit(notice(2))
    endpoint.queue.keep(asked)
    assert endpoint.send(500) == [1]
    assert endpoint.kept[1].state is DeliveryState.FAILED
    endpoint.queue.keep(asked)
    assert endpoint.send(200) == [1]
    assert endpoint.kept[1].state is DeliveryState.SUCCEEDED
    assert endpoint.webhook.health == Health()
    assert endpoint.webhook.missed_count == 0


def test_what_is_asked_for_again_is_sent_at_once_by_a_new_schedule() -> None:
    endpoint = Endpoint()
    endpoint.queue.keep(
        Delivery(webhook_id="w1", notice=notice(1), begin_time=FIRST_TIME, next_time=0)
    )
    assert endpoint.send(500) == [1]
    assert endpoint.wait() == SCHEDULE[0]
    assert endpoint.send() == [1]
    assert endpoint.kept[1].attempt_count == 2


def test_what_hangs_keeps_others_waiting_no_longer_than_there_is_room() -> None:
    endpoint = Endpoint()
    endpoint.commit(*map(notice, range(1, 1001)))
    hanging, *others = endpoint.take()
    while others:
        for item in others:
            endpoint.answer(item)
        endpoint.flush()
        others = endpoint.take()
    assert endpoint.webhook.cursor == 1000
    assert sorted(endpoint.kept) == [hanging.notice.number]
    endpoint.answer(hanging)
    endpoint.flush()
    assert endpoint.kept[1].state is DeliveryState.SUCCEEDED


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=12),
    st.lists(st.sampled_from([200, 200, 500, 429, "restart"]), max_size=60),
)
def test_whatever_fails_each_is_taken_once_at_least_and_in_order(
    subjects: list[str], answers: list[Any]
) -> None:
    endpoint = Endpoint()
    endpoint.commit(*[notice(n, f"task:{one}") for n, one in enumerate(subjects, 1)])
    failures: dict[int, int] = defaultdict(int)
    taken: list[int] = []
    script = iter(answers)
    for _ in range(400):
        sent = endpoint.take()
        for item in sent:
            answer = next(script, 200)
            if answer == "restart":
                endpoint.restart()
                break
            endpoint.answer(item, answer, 2 * SECOND if answer == 429 else None)
            if answer == 200:
                taken.append(item.notice.number)
            else:
                failures[item.notice.number] += 1
        endpoint.flush()
        if not sent and endpoint.queue.next_time() is None:
            break
        if not sent:
            endpoint.now = max(endpoint.now, endpoint.queue.next_time() or 0)
    given_up = {one.notice.number for one in endpoint.kept.values() if one.state == "FAILED"}
    assert set(taken) | given_up == set(range(1, len(subjects) + 1))
    for later, subject in enumerate(subjects, 1):
        if later not in taken:
            continue
        for earlier in range(1, later):
            if subjects[earlier - 1] == subject and failures[earlier] < 4:
                assert taken.index(earlier) < taken.index(later)


def test_what_has_no_room_in_memory_holds_back_what_comes_later_of_its_task():
    knobs = replace(KNOBS, max_loaded=1)
    endpoint = Endpoint()
    first, second = notice(1), notice(2)
    kept = Delivery(webhook_id="w1", notice=first, begin_time=FIRST_TIME, next_time=0)
    queue = EndpointQueue(endpoint.webhook, [kept], knobs, lambda: 0.0)
    queue.add([notice(3, second.subject)])
    [sent] = queue.take(FIRST_TIME)
    assert sent.notice.number == 1
    assert not queue.is_to_be_read_again
    queue.done(sent, Outcome(Attempt(FIRST_TIME, 1, 200, ""), None), FIRST_TIME)
    assert queue.take(FIRST_TIME) == []
    assert queue.is_to_be_read_again


def by_hand(number: int, begin_time: int) -> Delivery:
    return Delivery(
        webhook_id="w1", notice=notice(number), begin_time=begin_time, next_time=begin_time
    )


def test_what_others_asked_for_by_hand_is_sent_and_what_they_ended_is_not() -> None:
    endpoint = Endpoint()
    endpoint.commit(notice(1), notice(2))
    one, two = endpoint.take()
    endpoint.answer(one, 500)
    endpoint.answer(two, 200)
    endpoint.flush()
    assert endpoint.kept.keys() == {1}
    queue = endpoint.queue
    # One that waits is begun anew, and one comes that nobody here has heard of.
    before = queue.known_deliveries
    asked = [by_hand(1, endpoint.now), by_hand(9, endpoint.now)]
    queue.merge(endpoint.webhook.evolve(url="https://b.example/"), asked, before)
    assert [item.notice.number for item in queue.take(endpoint.now)] == [9]
    asked[0] = by_hand(1, endpoint.now + 1)
    queue.merge(endpoint.webhook, asked, queue.known_deliveries)
    assert [item.notice.number for item in queue.take(endpoint.now + 1)] == [1]
    # What is under way is nobody else's to end; what waits is.
    queue.merge(endpoint.webhook, [], queue.known_deliveries)
    assert queue.known_deliveries == {1, 9}
    queue.keep(by_hand(10, endpoint.now))
    queue.merge(endpoint.webhook, [], queue.known_deliveries)
    assert queue.known_deliveries == {1, 9}


def test_what_ends_while_the_store_is_read_is_not_sent_again() -> None:
    endpoint = Endpoint()
    endpoint.queue.keep(by_hand(5, endpoint.now))
    before = endpoint.queue.known_deliveries
    [item] = endpoint.queue.take(endpoint.now)
    endpoint.answer(item)
    endpoint.queue.merge(endpoint.webhook, [by_hand(5, endpoint.now)], before)
    assert endpoint.take() == []


def test_what_was_not_sent_is_tried_again_and_counts_as_no_try() -> None:
    endpoint = Endpoint()
    endpoint.commit(notice(1))
    [item] = endpoint.take()
    assert endpoint.take() == []
    endpoint.queue.put_back(item)
    assert (item.attempt_count, endpoint.queue.flush(endpoint.now)) == (0, None)
    assert endpoint.take() == [item]
