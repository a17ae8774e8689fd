"""The checker of the robustness runs, on what it is told of checkouts and orders, and of joins."""

from typing import Any

import pytest

from countermand.v1 import cancellation_service_pb2 as c
from tests.chaos.robustness.checks.verdict import Promise
from tests.chaos.robustness.truth import Cancellation
from tests.support.told_story import SECOND, Story, cancellation, told_order

SNAPSHOT, HEARTBEAT = c.WATCH_TYPE_SNAPSHOT, c.WATCH_TYPE_HEARTBEAT
NOTED = c.WatchOrderRequest(order_id="o1", after_version=0)


def cancelled_order() -> tuple[Story, Cancellation]:
    """An order whose cancel was accepted and joined twice, and ended: four versions."""
    story = Story()
    row = story.order("o1", "OPEN", "OPEN")
    one = story.cancellation("ORDER", "o1", request_id="first")
    story.order("o1", "CANCELLING", "CANCELLED")
    versions = story.truth.records["order", "o1"]
    last = versions[-1]
    row |= {"version": 4, "state": "CANCELLED", "last_seq": last.seq}
    row |= {"cancellation_id": one.cancellation_id, "cancel_time": versions[2].time}
    request = c.CancelOrderRequest(order_id="o1", message=one.row["message"], request_id="first")
    story.call(request, c.CancelOrderResponse(cancellation=cancellation(one)))
    story.join(one, "second")
    story.join(one, "third")
    return story, one


def broken(story: Story) -> set[str]:
    verdict = story.judge()
    assert not verdict.unfinished
    return verdict.promises


def test_a_watch_of_an_order_and_joins_as_they_are_pass():
    story, one = cancelled_order()
    messages = [told_order(story, "o1", version, last=version == 4) for version in (1, 2, 3, 4)]
    story.watch(NOTED, *messages[:2], code="UNAVAILABLE")
    resumed = c.WatchOrderRequest(order_id="o1", after_version=2)
    story.watch(resumed, *messages[2:], code="OK")
    story.watch(
        c.WatchOrderRequest(order_id="o1"),
        told_order(story, "o1", 4, type=SNAPSHOT, last=True),
        code="OK",
    )
    ask = c.GetCancellationRequest(cancellation_id=one.cancellation_id)
    story.call(ask, c.GetCancellationResponse(cancellation=cancellation(one)))
    assert story.judge().passed, str(story.judge())


@pytest.mark.parametrize(
    ("versions", "promise"),
    [
        ((1, 3, 4), "P7 reliable"),
        ((2, 3, 4), "P9 resumable"),
        ((1, 2, 2, 3, 4), "P6 unique"),
        ((1, 2, 3, 2, 3, 4), "P5 ordered"),
    ],
)
def test_a_version_that_is_missing_or_comes_twice_is_seen(versions, promise):
    story, _ = cancelled_order()
    told = [told_order(story, "o1", version) for version in versions]
    told[-1].last = True
    story.watch(NOTED, *told, code="OK")
    assert broken(story) == {promise}


@pytest.mark.parametrize("field", ["state", "cancellation_id", "update_time", "cancel_time"])
def test_a_version_that_shows_what_another_had_is_seen(field):
    story, _ = cancelled_order()
    told = [told_order(story, "o1", version, last=version == 4) for version in (1, 2, 3, 4)]
    place = 2 if field == "update_time" else 1
    told[place].order.ClearField(field)
    if field == "cancel_time":
        told[place].order.cancel_time.FromMicroseconds(3 * SECOND)
    if field == "cancellation_id":
        told[place].order.cancellation_id = "cancel of o1"
    story.watch(NOTED, *told, code="OK")
    assert broken(story) == {"P2 un-seen"}


def test_a_watch_of_an_order_that_ends_early_or_never_is_seen():
    for last, code in ((3, "OK"), (4, "DROPPED")):
        story, _ = cancelled_order()
        told = [told_order(story, "o1", version) for version in range(1, last + 1)]
        told[-1].last = code == "OK"
        story.watch(NOTED, *told, code=code)
        assert broken(story) == {"a watch ends"}


def test_a_watch_of_an_order_begins_with_what_was_seen_before():
    story, _ = cancelled_order()
    told = [told_order(story, "o1", version, last=version == 4) for version in (1, 2, 3, 4)]
    story.watch(NOTED, *told, code="OK")
    story.watch(c.WatchOrderRequest(order_id="o1"), told_order(story, "o1", 3, type=SNAPSHOT))
    assert "P17 begins with the present" in broken(story)


@pytest.mark.parametrize(
    "breaks",
    [
        lambda story: story.truth.records["order", "o1"].pop(1),
        lambda story: story.order("o1", "OPEN"),
        lambda story: story.truth.holders["order", "o1"].update(state="CANCELLING"),
    ],
    ids=["a version is missing", "an end changed", "the row is another"],
)
def test_a_log_of_an_order_that_does_not_add_up_is_seen(breaks):
    story, _ = cancelled_order()
    breaks(story)
    assert broken(story) & {"P5 ordered", "P29 one end"}


def answer_of(story: Story, place: int) -> Any:
    return story.history.calls[place].answer


@pytest.mark.parametrize(
    "lie",
    [
        lambda story, one: (one.joins.pop(), one.row.update(join_count=1)),
        lambda story, one: one.joins.pop(),
        lambda story, one: one.joins.append(one.joins[0]),
        lambda story, one: one.joins.reverse(),
        lambda story, one: story.truth.joined.clear(),
        lambda story, one: answer_of(story, 1).ClearField("joined"),
        lambda story, one: setattr(answer_of(story, 0), "joined", True),
        lambda story, one: answer_of(story, 2).cancellation.ClearField("joins"),
        lambda story, one: answer_of(story, 2).cancellation.ClearField("join_count"),
        lambda story, one: setattr(answer_of(story, 2).cancellation.joins[0], "reason", "other"),
    ],
    ids=[
        "lost",
        "counted and not kept",
        "kept twice",
        "out of order",
        "its request id is kept as the first",
        "answered as the first",
        "the first is answered as a join",
        "not shown",
        "not counted",
        "shown otherwise",
    ],
)
def test_a_join_that_is_not_kept_as_it_was_answered_is_seen(lie):
    story, one = cancelled_order()
    lie(story, one)
    assert "joins" in broken(story)


def test_a_join_that_nobody_asked_for_is_seen():
    story, one = cancelled_order()
    one.joins.append(one.joins[0]._replace(message="nobody", request_id=""))
    one.row["join_count"] += 1
    assert broken(story) == {Promise.JOINS}


def test_a_join_of_which_nobody_knows_may_be_kept():
    story, one = cancelled_order()
    one.joins.append(one.joins[0]._replace(message="lost", request_id=""))
    one.row["join_count"] += 1
    story.call(c.CancelOrderRequest(order_id="o1", message="lost"), code="UNAVAILABLE")
    assert story.judge().passed, str(story.judge())


def test_a_cancellation_whose_reason_is_that_of_a_join_is_seen():
    story, one = cancelled_order()
    ask = c.GetCancellationRequest(cancellation_id=one.cancellation_id)
    shown = cancellation(one)
    shown.message = "second"
    story.call(ask, c.GetCancellationResponse(cancellation=shown))
    assert broken(story) == {"P2 un-seen"}
