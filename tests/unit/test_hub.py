"""The hub: what it keeps, for whom, and for how long."""

import asyncio

import pytest

from countermand.core.commands import Command
from countermand.core.knobs import HubKnobs
from countermand.core.log import Event, TaskFilter
from countermand.engine.watching.entries import ENTRY_BYTES
from countermand.engine.watching.hub import Hub, Subscription
from countermand.engine.watching.topics import Topic, filter_topic, task_topic
from tests.support.ask import (
    G1,
    NS,
    O1,
    OTHER,
    T1,
    T2,
    cancel,
    cancel_group,
    completed,
    create,
    create_group,
    create_order,
    start,
    target,
    uid,
    update_order,
)
from tests.support.world import World

ALL = filter_topic(NS, TaskFilter())
GROUP = filter_topic(NS, TaskFilter(G1))
AGENT = filter_topic(NS, TaskFilter(agent_id="a"))


def _events(*commands: Command) -> list[Event]:
    world = World()
    world.do_all(*commands)
    return world.events


def _begun(hub: Hub, topic: Topic) -> Subscription:
    """Subscribes, and reads a log that has nothing yet."""
    subscription = hub.subscribe(topic)
    subscription.was_read(0)
    return subscription


def _after(subscription: Subscription, seq: int = 0) -> list[int] | None:
    """Returns all places above one, some at a time as a watcher takes them."""
    found: list[int] = []
    while entries := subscription.after(found[-1] if found else seq):
        assert len(entries) <= HubKnobs().max_batch
        found += [entry.event.seq for entry in entries]
    return None if entries is None else found


STORY = (
    create_group(T1),  # 1
    create(T2),  # 2
    start(T1, "a"),  # 3
    start(T2, "b"),  # 4
    cancel(T1),  # 5, and 6 of its cancellation
    completed(T1),  # 7, and 8
    create(T1, ns=OTHER),  # 1 of the other
    cancel_group(),  # 9, a closing without a task's change, and 10
    completed(T2),  # 11
)


@pytest.mark.parametrize(
    ("topic", "seqs"),
    [
        (ALL, [1, 2, 3, 4, 5, 7, 9, 11]),
        (GROUP, [1, 3, 5, 7, 9]),
        (AGENT, [3, 5, 7]),
        (filter_topic(NS, TaskFilter(G1, agent_id="b")), [1, 3, 5, 7, 9]),
        (task_topic(NS, T1), [1, 3, 5, 7]),
        (task_topic(OTHER, T1), [1]),
        (filter_topic(OTHER, TaskFilter()), [1]),
        (task_topic(NS, uid(99)), []),
    ],
)
def test_a_topic_has_what_is_of_it_in_commit_order(topic: Topic, seqs: list[int]) -> None:
    hub = Hub(HubKnobs())
    with _begun(hub, topic) as subscription:
        hub.publish(_events(*STORY))
        assert _after(subscription) == seqs
        for seq in range(12):
            assert _after(subscription, seq) == [each for each in seqs if each > seq]


@pytest.mark.parametrize("topic", [ALL, GROUP, AGENT, task_topic(NS, T1)])
def test_a_topic_that_nobody_watched_before_knows_nothing_until_the_log_was_read(
    topic: Topic,
) -> None:
    """What was committed before it began is in the log alone: no news is not nothing new."""
    hub = Hub(HubKnobs())
    hub.publish(_events(*STORY))
    with hub.subscribe(topic) as subscription:
        for seq in range(9):
            assert subscription.after(seq) is None
        subscription.was_read(8)
        assert [subscription.after(seq) for seq in range(9)] == [None] * 8 + [[]]


def test_a_topic_knows_what_comes_after_its_first_entry_and_nothing_before() -> None:
    hub = Hub(HubKnobs())
    events = _events(*STORY)
    hub.publish(events[:4])
    with hub.subscribe(GROUP) as subscription:
        hub.publish(events[4:])
        assert [_after(subscription, seq) for seq in range(4)] == [None] * 4
        assert _after(subscription, 4) == [5, 7, 9]
        subscription.was_read(2)
        assert _after(subscription, 2) is None


def test_a_reading_by_one_watcher_serves_all_of_its_topic() -> None:
    hub = Hub(HubKnobs())
    with hub.subscribe(ALL) as one, hub.subscribe(ALL) as other:
        one.was_read(5)
        assert (other.after(4), other.after(5)) == (None, [])


def test_all_topics_of_an_event_share_one_entry() -> None:
    hub = Hub(HubKnobs())
    with _begun(hub, ALL) as one, _begun(hub, GROUP) as two, _begun(hub, ALL) as three:
        hub.publish(_events(create_group(T1)))
        (a,), (b,), (c,) = one.after(0) or (), two.after(0) or (), three.after(0) or ()
        assert a is b is c


def test_nothing_is_kept_for_nobody() -> None:
    hub = Hub(HubKnobs())
    events = _events(*STORY)
    hub.publish(events)
    with _begun(hub, ALL) as subscription:
        assert _after(subscription) == []
    assert (hub.watchers, hub._topics) == (0, {})


def test_closing_the_last_subscription_leaves_nothing_and_another_keeps_its_own() -> None:
    hub = Hub(HubKnobs())
    first, second, other = _begun(hub, ALL), _begun(hub, ALL), _begun(hub, GROUP)
    hub.publish(_events(*STORY))
    assert hub.watchers == 3
    first.close()
    assert _after(second) == [1, 2, 3, 4, 5, 7, 9, 11]
    second.close()
    assert set(hub._topics) == {GROUP}
    other.close()
    assert (hub.watchers, hub._topics) == (0, {})
    with _begun(hub, ALL) as again:
        assert _after(again) == []


def test_memory_is_bounded_and_who_fell_behind_is_told_to_read_the_log() -> None:
    hub = Hub(HubKnobs(max_bytes=4 * ENTRY_BYTES))
    with _begun(hub, ALL) as subscription:
        events = _events(*[create(uid(number)) for number in range(1, 11)])
        hub.publish(events[:4])
        assert _after(subscription) == [1, 2, 3, 4]
        hub.publish(events[4:])
        assert _after(subscription, 0) is None
        assert _after(subscription, 5) is None
        assert _after(subscription, 6) == [7, 8, 9, 10]
        assert _after(subscription, 10) == []


def test_the_bound_holds_over_all_topics_together() -> None:
    hub = Hub(HubKnobs(max_bytes=4 * ENTRY_BYTES))
    ids = [uid(number) for number in range(1, 9)]
    subscriptions = [_begun(hub, task_topic(NS, id)) for id in ids]
    hub.publish(_events(*[create(id) for id in ids]))
    kept = [_after(subscription) for subscription in subscriptions]
    assert kept == [None] * 4 + [[5], [6], [7], [8]]
    assert sum(len(stretch.entries) for stretch in hub._topics.values()) == 4


def test_one_commit_larger_than_the_bound_is_cut_too() -> None:
    hub = Hub(HubKnobs(max_bytes=1))
    with _begun(hub, ALL) as subscription:
        hub.publish(_events(*[create(uid(number)) for number in range(1, 50)]))
        assert _after(subscription, 47) is None
        assert _after(subscription, 48) == [49]


def test_what_nobody_watches_any_more_takes_no_room() -> None:
    hub = Hub(HubKnobs(max_bytes=8 * ENTRY_BYTES))
    ids = [uid(number) for number in range(1, 9)]
    left, kept = ([_begun(hub, task_topic(NS, id)) for id in some] for some in (ids[:6], ids[6:]))
    hub.publish(_events(*[create(id) for id in ids]))
    for subscription in left:
        subscription.close()
    assert hub._bytes == 2 * ENTRY_BYTES
    assert len(hub._ages) <= 4
    assert [_after(subscription) for subscription in kept] == [[7], [8]]


def test_what_closed_subscriptions_left_does_not_pile_up() -> None:
    hub = Hub(HubKnobs(max_bytes=4 * ENTRY_BYTES))
    world = World()
    for number in range(1, 200):
        with _begun(hub, task_topic(NS, uid(number))):
            seen = len(world.events)
            world.do(create(uid(number)))
            hub.publish(world.events[seen:])
    assert len(hub._ages) <= 4
    with _begun(hub, ALL) as subscription:
        seen = len(world.events)
        world.do_all(create(uid(1000)), create(uid(1001)))
        hub.publish(world.events[seen:])
        assert _after(subscription, seen) == [seen + 1, seen + 2]


async def test_who_waits_is_woken_by_what_is_of_its_topic_alone() -> None:
    hub = Hub(HubKnobs())
    with _begun(hub, task_topic(NS, T1)) as mine, _begun(hub, task_topic(NS, T2)) as other:
        first, second, others = mine.next(), mine.next(), other.next()
        hub.publish(_events(create(T1)))
        await asyncio.wait_for(asyncio.gather(first, second), 5)
        assert not others.done()
        other.forget(others)
        hub.publish(_events(create(T2)))
        assert not others.done()


async def test_a_waiter_that_gave_up_does_not_disturb_the_others() -> None:
    hub = Hub(HubKnobs())
    with _begun(hub, ALL) as subscription:
        gone, waiting = subscription.next(), subscription.next()
        gone.cancel()
        hub.publish(_events(create(T1)))
        await asyncio.wait_for(waiting, 5)


# Alarms.


async def test_a_watch_of_two_holders_is_alarmed_when_the_one_that_names_no_topic_is_over() -> None:
    hub = Hub(HubKnobs())
    group, order = target("group", G1), target("order", O1)
    closing = _events(create_order(), update_order(close=True))
    assert closing[-1].over == {order}
    with (
        hub.subscribe(group, (group, order)) as both,
        hub.subscribe(order, (order,)) as alone,
        hub.subscribe(group, (group,)) as other,
    ):
        waiting = both.next()
        hub.publish(closing)
        assert [one.alarms for one in (both, alone, other)] == [1, 0, 0]
        await asyncio.wait_for(waiting, 5)
    assert not hub._alarms


async def test_whoever_watches_a_holder_is_alarmed_when_it_was_removed() -> None:
    hub = Hub(HubKnobs())
    group, order = target("group", G1), target("order", O1)
    with (
        hub.subscribe(group, (group, order)) as both,
        hub.subscribe(order, (order,)) as alone,
        hub.subscribe(group, (group,)) as other,
    ):
        waiting = [one.next() for one in (both, alone, other)]
        hub.publish([], [order])
        assert [one.alarms for one in (both, alone, other)] == [1, 1, 0]
        hub.publish([], [group])
        assert [one.alarms for one in (both, alone, other)] == [2, 1, 1]
        await asyncio.wait_for(asyncio.gather(*waiting), 5)
