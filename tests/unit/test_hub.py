"""The hub: what it keeps, for whom, and for how long."""

import asyncio

import pytest

from countermand.core.commands import Command
from countermand.core.knobs import HubKnobs
from countermand.core.log import Event, TaskFilter
from countermand.engine.hub import ENTRY_BYTES, Hub, Subscription, filter_topic, task_topic
from tests.support.ask import (
    G1,
    NS,
    OTHER,
    T1,
    T2,
    cancel,
    cancel_group,
    completed,
    create,
    create_group,
    start,
    uid,
)
from tests.support.world import World

ALL = filter_topic(NS, TaskFilter())
GROUP = filter_topic(NS, TaskFilter(G1))
AGENT = filter_topic(NS, TaskFilter(agent_id="a"))


def _events(*commands: Command) -> list[Event]:
    world = World()
    world.do_all(*commands)
    return world.events


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
    cancel(T1),  # 5
    completed(T1),  # 6
    create(T1, ns=OTHER),  # 1 of the other
    cancel_group(),  # 7, a closing without a task's change
    completed(T2),  # 8
)


@pytest.mark.parametrize(
    ("topic", "seqs"),
    [
        (ALL, [1, 2, 3, 4, 5, 6, 7, 8]),
        (GROUP, [1, 3, 5, 6, 7]),
        (AGENT, [3, 5, 6]),
        (filter_topic(NS, TaskFilter(G1, agent_id="b")), [1, 3, 5, 6, 7]),
        (task_topic(NS, T1), [1, 3, 5, 6]),
        (task_topic(OTHER, T1), [1]),
        (filter_topic(OTHER, TaskFilter()), [1]),
        (task_topic(NS, uid(99)), []),
    ],
)
def test_a_topic_has_what_is_of_it_in_commit_order(topic: object, seqs: list[int]) -> None:
    hub = Hub(HubKnobs())
    with hub.subscribe(topic) as subscription:
        hub.publish(_events(*STORY))
        assert _after(subscription) == seqs
        for seq in range(9):
            assert _after(subscription, seq) == [each for each in seqs if each > seq]


def test_all_topics_of_an_event_share_one_entry() -> None:
    hub = Hub(HubKnobs())
    with hub.subscribe(ALL) as one, hub.subscribe(GROUP) as two, hub.subscribe(ALL) as three:
        hub.publish(_events(create_group(T1)))
        (a,), (b,), (c,) = one.after(0) or (), two.after(0) or (), three.after(0) or ()
        assert a is b is c


def test_nothing_is_kept_for_nobody() -> None:
    hub = Hub(HubKnobs())
    events = _events(*STORY)
    hub.publish(events)
    with hub.subscribe(ALL) as subscription:
        assert _after(subscription) == []
    assert (hub.watchers, hub._topics) == (0, {})


def test_closing_the_last_subscription_leaves_nothing_and_another_keeps_its_own() -> None:
    hub = Hub(HubKnobs())
    first, second, other = hub.subscribe(ALL), hub.subscribe(ALL), hub.subscribe(GROUP)
    hub.publish(_events(*STORY))
    assert hub.watchers == 3
    first.close()
    assert _after(second) == [1, 2, 3, 4, 5, 6, 7, 8]
    second.close()
    assert set(hub._topics) == {GROUP}
    other.close()
    assert (hub.watchers, hub._topics) == (0, {})
    with hub.subscribe(ALL) as again:
        assert _after(again) == []


def test_memory_is_bounded_and_who_fell_behind_is_told_to_read_the_log() -> None:
    hub = Hub(HubKnobs(max_bytes=4 * ENTRY_BYTES))
    with hub.subscribe(ALL) as subscription:
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
    subscriptions = [hub.subscribe(task_topic(NS, id)) for id in ids]
    hub.publish(_events(*[create(id) for id in ids]))
    kept = [_after(subscription) for subscription in subscriptions]
    assert kept == [None] * 4 + [[5], [6], [7], [8]]
    assert sum(len(stretch.entries) for stretch in hub._topics.values()) == 4


def test_one_commit_larger_than_the_bound_is_cut_too() -> None:
    hub = Hub(HubKnobs(max_bytes=1))
    with hub.subscribe(ALL) as subscription:
        hub.publish(_events(*[create(uid(number)) for number in range(1, 50)]))
        assert _after(subscription, 47) is None
        assert _after(subscription, 48) == [49]


def test_what_nobody_watches_any_more_takes_no_room() -> None:
    hub = Hub(HubKnobs(max_bytes=8 * ENTRY_BYTES))
    ids = [uid(number) for number in range(1, 9)]
    left, kept = ([hub.subscribe(task_topic(NS, id)) for id in some] for some in (ids[:6], ids[6:]))
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
        with hub.subscribe(task_topic(NS, uid(number))):
            seen = len(world.events)
            world.do(create(uid(number)))
            hub.publish(world.events[seen:])
    assert len(hub._ages) <= 4
    with hub.subscribe(ALL) as subscription:
        seen = len(world.events)
        world.do_all(create(uid(1000)), create(uid(1001)))
        hub.publish(world.events[seen:])
        assert _after(subscription, seen) == [seen + 1, seen + 2]


async def test_who_waits_is_woken_by_what_is_of_its_topic_alone() -> None:
    hub = Hub(HubKnobs())
    with hub.subscribe(task_topic(NS, T1)) as mine, hub.subscribe(task_topic(NS, T2)) as other:
        first, second, others = mine.next(), mine.next(), other.next()
        hub.publish(_events(create(T1)))
        await asyncio.wait_for(asyncio.gather(first, second), 5)
        assert not others.done()
        other.forget(others)
        hub.publish(_events(create(T2)))
        assert not others.done()


async def test_a_waiter_that_gave_up_does_not_disturb_the_others() -> None:
    hub = Hub(HubKnobs())
    with hub.subscribe(ALL) as subscription:
        gone, waiting = subscription.next(), subscription.next()
        gone.cancel()
        hub.publish(_events(create(T1)))
        await asyncio.wait_for(waiting, 5)
