"""The checker of the robustness runs, on histories written by hand: the good pass, and each way of
breaking a promise is seen."""

import json
from math import inf
from typing import Any

import pytest

from countermand.v1 import agent_service_pb2 as a
from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import task_pb2
from countermand.v1 import task_service_pb2 as t
from tests.chaos.robustness.truth import Task
from tests.support.told_story import (
    SECOND,
    Story,
    cancel_request,
    cancellation,
    finish_request,
    told,
    told_alone,
)

SNAPSHOT, HEARTBEAT = c.WATCH_TYPE_SNAPSHOT, c.WATCH_TYPE_HEARTBEAT
SYNCED = c.WatchTasksResponse(type=c.WATCH_TYPE_SYNCED)
ALL = c.WatchTasksRequest()


def ended_story() -> tuple[Story, Task]:
    """A task that was started, cancelled and acknowledged: four versions, fence 1."""
    story = Story()
    task = story.task("t1", agent_id="agent", fence=1)
    story.log(task, "PENDING")
    story.log(task, "RUNNING", start_time=2 * SECOND)
    story.cancellation("TASK", "t1", task, request_id="request")
    story.log(task, "CANCELLING", deadline=13 * SECOND)
    story.log(task, "CANCELLED", cancel_proof="ACKNOWLEDGED")
    return story, task


def whole_story() -> tuple[Story, Task]:
    """That task, with every call that made it so."""
    story, task = ended_story()
    story.create(task)
    story.start(task, 2)
    story.cancel(task, 3)
    story.finish(task, 4, "CANCELLED")
    return story, task


def broken(story: Story) -> set[str]:
    verdict = story.judge()
    assert not verdict.unfinished
    return verdict.promises


def test_a_good_history_passes():
    story, task = ended_story()
    begun = [story.now]
    story.create(task)
    story.get(task, 1)
    story.start(task, 2)
    heartbeat = a.HeartbeatRequest(agent_id="agent")
    story.call(heartbeat, a.HeartbeatResponse())
    story.cancel(task, 3)
    stop = a.Stop(task_id="t1", deadline_time=task.shown[3].deadline_time)
    story.call(heartbeat, a.HeartbeatResponse(stops=[stop]))
    charge = a.BeginChargeRequest(task_id="t1", fence=1)
    story.call(charge, reason="CANCELLATION_REQUESTED")
    story.cancel(task, 3, replayed=True)
    story.finish(task, 4, "CANCELLED")
    story.call(finish_request(task, "COMPLETED"), reason="TASK_NOT_RUNNING")
    story.call(cancel_request(task, "other"), reason="TASK_ALREADY_CANCELLED")
    story.cancel(task, 4, replayed=True)
    page = t.ListTasksResponse(tasks=[task.shown[4]])
    story.call(t.ListTasksRequest(), page)
    story.watch(
        c.WatchTaskRequest(task_id="t1", after_version=2),
        told_alone(task, 3),
        told_alone(task, 4, last=True),
        code="OK",
    )
    story.watch(ALL, SYNCED)
    first = story.watch(ALL, SYNCED, told(task, 1), told(task, 2))
    first.start = begun[0] - 0.5
    story.watch(ALL, told(task, 3), told(task, 4), parent=(first, 3))
    assert story.judge().passed, str(story.judge())


def test_a_write_without_an_answer_may_be_done_later_or_never():
    story, task = ended_story()
    story.create(task)
    story.start(task, 2)
    story.call(cancel_request(task, "another"), code="UNAVAILABLE")
    story.call(cancel_request(task), code="DEADLINE_EXCEEDED")
    story.get(task, 2)
    story.get(task, 3)
    story.finish(task, 4, "CANCELLED")
    assert story.judge().passed, str(story.judge())


def test_what_was_answered_and_is_not_in_the_log_was_not_durable():
    story, task = ended_story()
    shown = task_pb2.Task()
    shown.CopyFrom(task.shown[4])
    shown.version = 5
    story.call(finish_request(task, "CANCELLED"), a.FinishTaskResponse(task=shown))
    assert "P1 durable" in broken(story)


def test_what_was_read_or_told_and_is_otherwise_in_the_log_was_un_seen():
    for way in ("read", "watch"):
        story, task = whole_story()
        shown = task_pb2.Task()
        shown.CopyFrom(task.shown[3])
        shown.deadline_time.seconds += 1
        if way == "read":
            story.call(t.GetTaskRequest(task_id="t1"), t.GetTaskResponse(task=shown), start=8.5)
        else:
            story.watch(ALL, c.WatchTasksResponse(type=SNAPSHOT, task=shown))
        assert "P2 un-seen" in broken(story)


def test_a_request_id_that_was_answered_must_be_kept():
    story, _ = whole_story()
    story.truth.requests.clear()
    assert broken(story) == {"P1 durable"}


def test_a_request_id_that_was_refused_must_be_free():
    story, task = whole_story()
    story.call(cancel_request(task, "late"), reason="TASK_ALREADY_CANCELLED")
    story.truth.requests["us", "late"] = "cancel of t1"
    assert broken(story) == {"P1 durable"}


def test_a_stale_read_has_no_order():
    story, task = whole_story()
    story.get(task, 3)
    assert broken(story) == {"P4 linearizable"}


def test_a_read_after_a_watch_showed_more_has_no_order():
    story, task = ended_story()
    story.create(task)
    story.watch(ALL, told(task, 1, SNAPSHOT), SYNCED, told(task, 2)).start = 4.5
    story.get(task, 1)
    assert "P4 linearizable" in broken(story)


@pytest.mark.parametrize(
    "lie",
    [
        lambda story, task: story.start(task, 2, fence=2),
        lambda story, task: story.call(finish_request(task, "FAILED", 9), reason="NOT_CANCELLING"),
        lambda story, task: story.call(t.GetTaskRequest(task_id="t1"), reason="TASK_NOT_FOUND"),
        lambda story, task: story.call(cancel_request(task, "new"), reason="VERSION_MISMATCH"),
        lambda story, task: story.cancel(task, 4, replayed=False),
    ],
    ids=["a fence too high", "a wrong refusal", "gone", "a wrong mismatch", "not replayed"],
)
def test_an_answer_that_the_model_does_not_give_has_no_order(lie):
    story, task = whole_story()
    lie(story, task)
    assert "P4 linearizable" in broken(story)


def test_a_version_that_no_call_made_has_no_order():
    story, task = ended_story()
    story.create(task)
    story.start(task, 2)
    story.cancel(task, 3)
    assert broken(story) == {"P4 linearizable"}


def test_what_time_does_needs_no_call():
    story = Story()
    task = story.task("t1", agent_id="agent", fence=2)
    story.log(task, "PENDING")
    story.log(task, "RUNNING", start_time=2 * SECOND)
    story.cancellation("TASK", "t1", task, request_id="request")
    story.log(task, "CANCELLING", deadline=13 * SECOND)
    story.now = 12.5
    story.log(task, "CANCELLED", cancel_proof="FORCED")
    story.create(task)
    story.start(task, 2)
    story.cancel(task, 3)
    story.call(finish_request(task, "COMPLETED"), code="ABORTED", reason="FENCED")
    assert story.judge().passed, str(story.judge())


def early_story() -> tuple[Story, Task]:
    """A task whose cancel came before it."""
    story = Story()
    task = story.task("t1", fence=1)
    story.cancellation("TASK", "t1", task, request_id="request")
    story.log(task, "PENDING")
    story.log(task, "CANCELLED", cancel_proof="NEVER_STARTED")
    return story, task


def test_a_cancel_may_come_before_its_task():
    story, task = early_story()
    (one,) = story.truth.cancellations.values()
    waits = c.CancelTaskResponse(cancellation=cancellation(one))
    request = cancel_request(task)
    request.allow_missing = True
    story.call(request, waits)
    story.call(t.GetTaskRequest(task_id="t1"), reason="TASK_NOT_FOUND")
    create = t.CreateTaskRequest(task_id="t1")
    story.call(create, t.CreateTaskResponse(task=task.shown[2]))
    story.call(create, reason="TASK_EXISTS")
    assert story.judge().passed, str(story.judge())


def test_a_task_that_was_cancelled_before_it_came_needs_that_cancel():
    story, task = early_story()
    story.call(t.CreateTaskRequest(task_id="t1"), t.CreateTaskResponse(task=task.shown[2]))
    assert broken(story) == {"P4 linearizable"}


def test_an_unfinished_search_is_no_pass():
    story, _ = whole_story()
    verdict = story.judge(budget=1)
    assert not verdict.passed
    assert verdict.unfinished
    assert not verdict.violations


def group_story(*ids: str) -> tuple[Story, list[Task]]:
    """Tasks of one group that run, and whose cancel is accepted with what is logged next."""
    story = Story()
    tasks = [story.task(id, group_id="g", agent_id="agent", fence=1) for id in ids]
    for task in tasks:
        story.log(task, "PENDING")
        story.log(task, "RUNNING")
    story.cancellation("GROUP", "g", *tasks)
    return story, tasks


def test_a_cancel_that_left_out_a_task_was_not_atomic():
    story, (one, two, three) = group_story("t1", "t2", "t3")
    for task in (one, two):
        story.log(task, "CANCELLING", deadline=99 * SECOND, time=7 * SECOND)
    three.cancel = None
    assert "P3 atomic" in broken(story)


def test_what_comes_after_a_cancel_at_the_same_instant_is_no_part_of_it():
    story = Story()
    task = story.task("t1", agent_id="agent", fence=1)
    story.log(task, "PENDING")
    story.log(task, "RUNNING")
    story.cancellation("TASK", "t1", task)
    story.log(task, "CANCELLING", deadline=99 * SECOND)
    story.log(task, "COMPLETED", time=3 * SECOND)
    assert "P3 atomic" not in broken(story)


def test_a_reading_that_shows_half_of_a_cancel_was_not_atomic():
    story, (one, two) = group_story("t1", "t2")
    for task in (one, two):
        story.log(task, "CANCELLING", deadline=99 * SECOND, time=5 * SECOND)
    page = t.ListTasksResponse(tasks=[one.shown[3], two.shown[2]])
    story.call(t.ListTasksRequest(), page)
    assert "P3 atomic" in broken(story)


def test_an_end_that_changed_is_seen():
    story, task = whole_story()
    story.log(task, "COMPLETED")
    assert "P29 one end" in broken(story)


def test_a_charge_that_began_after_the_cancel_is_seen():
    story = Story()
    task = story.task("t1", agent_id="agent", fence=1)
    story.log(task, "PENDING")
    story.log(task, "RUNNING")
    story.cancellation("TASK", "t1", task)
    story.log(task, "CANCELLING", deadline=99 * SECOND)
    story.log(task, "CANCELLING", "BEGUN")
    assert "money" in broken(story)


@pytest.mark.parametrize(
    ("end", "lives", "late"),
    [
        (14.9, [(0, 99)], False),
        (15.1, [(0, 99)], True),
        (29.9, [(0, 8), (29, 99)], False),
        (30.1, [(0, 8), (29, 99)], True),
        (None, [(0, 14.9)], False),
        (None, [(0, 15.1)], True),
    ],
    ids=["in time", "late", "restarted in time", "restarted late", "may still end", "never ended"],
)
def test_a_cancelling_task_ends_a_second_after_its_deadline_or_after_readiness(end, lives, late):
    story = Story()
    story.history.lives = lives
    task = story.task("t1", agent_id="agent", fence=2)
    story.log(task, "PENDING")
    story.log(task, "RUNNING")
    story.cancellation("TASK", "t1", task)
    story.log(task, "CANCELLING", deadline=14 * SECOND)
    if end is not None:
        story.log(task, "CANCELLED", cancel_proof="FORCED", time=int(end * SECOND))
    assert ("deadline" in broken(story)) is late


@pytest.mark.parametrize("code", ["INTERNAL", "UNKNOWN", "RESOURCE_EXHAUSTED"])
def test_a_status_that_says_nothing_is_seen(code):
    story, _ = whole_story()
    story.call(t.GetTaskRequest(task_id="t1"), code=code)
    assert broken(story) == {"status"}


def watched(*places: int, of: str = "us") -> tuple[Story, list]:
    """The CHANGEs at these places of a log of two tasks; a tenant beside has a third."""
    story = Story()
    one, two, other = story.task("t1"), story.task("t2"), story.task("t3", of)
    for task in (one, two, other):
        story.log(task, "PENDING")
    for task in (one, two):
        story.log(task, "RUNNING", agent_id="agent", fence=1)
    log = [told(one, 1), told(two, 1), told(one, 2), told(two, 2), told(other, 1)]
    return story, [log[place - 1] for place in places]


@pytest.mark.parametrize(
    ("places", "promise"),
    [
        ((1, 2, 3, 4), None),
        ((1, 2), None),
        ((1, 3, 2), "P5 ordered"),
        ((1, 2, 2, 3), "P6 unique"),
        ((1, 2, 4), "P7 reliable"),
        ((1, 2, 5), "P11 filtered"),
    ],
)
def test_a_watch_is_told_a_stretch_of_the_log(places, promise):
    story, messages = watched(*places, of="them")
    story.watch(ALL, SYNCED, *messages).start = 0
    found = broken(story) - {"P4 linearizable"}  # which would need the calls, too
    assert promise in found if promise else not found


@pytest.mark.parametrize(
    ("before", "after", "promise"),
    [
        ((1, 2), (3, 4), None),
        ((1, 2), (2, 3), "P6 unique"),
        ((1, 2), (4,), "P7 reliable"),
        ((1, 2), (1,), "P5 ordered"),
    ],
)
def test_a_resumed_watch_goes_on_where_it_broke_off(before, after, promise):
    story, messages = watched(*before, *after, of="them")
    first = story.watch(ALL, SYNCED, *messages[: len(before)], code="UNAVAILABLE")
    first.start = 0
    story.watch(ALL, *messages[len(before) :], parent=(first, 1 + len(before)))
    found = broken(story) - {"P4 linearizable"}
    assert promise in found if promise else not found


def test_synced_comes_once_and_after_all_snapshots():
    story, (one, two) = watched(1, 2)
    for message in (one, two):
        message.type = SNAPSHOT
    story.watch(ALL, one, SYNCED, two, SYNCED).start = 3.5
    assert "P10 synced once" in broken(story)


def test_a_watch_begins_with_what_was_seen_before():
    story, messages = watched(1, 2, 3, 4)
    story.watch(ALL, SYNCED, *messages).start = 0
    for message in messages[:2]:
        message.type = SNAPSHOT
    story.watch(ALL, *messages[:2], SYNCED)
    assert "P17 begins with the present" in broken(story)


@pytest.mark.parametrize(
    ("after", "versions", "promise"),
    [
        (None, (2, 3, 4), None),
        (1, (2, 3, 4), None),
        (1, (3, 4), "P9 resumable"),
        (1, (1, 2), "P9 resumable"),
        (1, (2, 4), "P7 reliable"),
        (1, (2, 2), "P6 unique"),
        (1, (2, 3, 2), "P5 ordered"),
    ],
)
def test_a_watch_of_one_task_is_told_every_version(after, versions, promise):
    story, task = whole_story()
    messages = [told_alone(task, version, last=version == 4) for version in versions]
    if after is None:
        messages[0].type = SNAPSHOT
    request = c.WatchTaskRequest(task_id="t1", after_version=after)
    whole = versions[-1] == 4
    story.watch(request, *messages, code="OK" if whole else "UNAVAILABLE").start = 5.5
    assert {x for x in broken(story) if x.startswith("P")} == ({promise} if promise else set())


@pytest.mark.parametrize(
    ("last", "code", "ok"),
    [
        (True, "OK", True),
        (False, "OK", False),
        (True, "INTERNAL", False),
        (False, "DROPPED", False),
    ],
)
def test_a_watch_ends_with_ok_after_its_last_message_alone(last, code, ok):
    story, task = whole_story()
    message = told_alone(task, 4, SNAPSHOT, last=last)
    story.watch(c.WatchTaskRequest(task_id="t1"), message, code=code)
    assert ("a watch ends" not in broken(story)) is ok


def test_a_heartbeat_that_hides_what_was_seen_is_seen():
    story, task = whole_story()
    message = told_alone(task, 3, HEARTBEAT)
    story.watch(c.WatchTaskRequest(task_id="t1", after_version=3), message)
    assert "P17 begins with the present" in broken(story)


def test_a_version_that_was_seen_is_never_ahead():
    story, _ = whole_story()
    request = c.WatchTaskRequest(task_id="t1", after_version=4)
    story.watch(request, code="OUT_OF_RANGE").reason = "VERSION_AHEAD"
    assert broken(story) == {"P2 un-seen"}
    request.after_version = 5
    assert story.judge().passed


def test_a_place_of_the_log_that_is_missing_is_seen():
    story, _ = whole_story()
    story.truth.last["us"] += 1
    assert broken(story) == {"P5 ordered"}


def test_an_answer_without_end_is_open():
    story, task = whole_story()
    call = story.call(finish_request(task, "COMPLETED"), code="")
    assert call.unknown
    assert call.until == inf
    assert story.judge().passed


# Money.


def owed_story() -> tuple[Story, Task]:
    """A task that failed with its charge begun: four versions, the last one REQUIRED."""
    story = Story()
    task = story.task("t1", agent_id="agent", fence=1)
    story.log(task, "PENDING")
    story.log(task, "RUNNING", start_time=2 * SECOND)
    story.log(task, "RUNNING", "BEGUN")
    story.log(task, "FAILED", refund="REQUIRED")
    return story, task


def settlement(outcome: str = "REFUNDED", request_id: str = "settles") -> str:
    return json.dumps([outcome, 500, "EUR", "paid back", "key", 0, request_id])


def settle_request(request_id: str = "settles", **fields: Any) -> t.SettleRefundRequest:
    said = {"outcome": task_pb2.REFUND_STATE_REFUNDED, "amount": 500, "currency": "EUR"}
    said |= {"note": "paid back", "request_id": request_id}
    return t.SettleRefundRequest(task_id="t1", **said | fields)


def report_request(word: str, fence: int = 1) -> a.ReportChargeRequest:
    return a.ReportChargeRequest(task_id="t1", fence=fence, charge_state=f"CHARGE_STATE_{word}")


def calls_before_the_end(story: Story, task: Task) -> None:
    """Every call that made the versions of `owed_story`."""
    story.create(task)
    story.start(task, 2)
    charge = a.BeginChargeRequest(task_id="t1", fence=1)
    story.call(charge, a.BeginChargeResponse(task=task.shown[3]))
    story.finish(task, 4, "FAILED")


def test_a_settlement_late_words_and_what_they_are_refused_with_pass():
    story, task = owed_story()
    story.log(task, "FAILED", refund="REFUNDED", settlement=settlement())
    story.log(task, "FAILED", "VOIDED")
    story.log(task, "FAILED", "CAPTURED", refund="REQUIRED")
    story.truth.requests["us", "settles"] = "t1"
    calls_before_the_end(story, task)
    story.call(report_request("VOIDED", fence=2), code="ABORTED", reason="FENCED")
    story.call(settle_request(), t.SettleRefundResponse(task=task.shown[5]))
    story.call(settle_request(), t.SettleRefundResponse(task=task.shown[5], replayed=True))
    story.call(settle_request("other"), reason="REFUND_ALREADY_SETTLED")
    story.call(settle_request("", note="else"), t.SettleRefundResponse(task=task.shown[5]))
    other = settle_request(amount=6)
    story.call(other, code="ALREADY_EXISTS", reason="REQUEST_ID_CONFLICT")
    story.call(report_request("VOIDED"), a.ReportChargeResponse(task=task.shown[6]))
    story.call(report_request("VOIDED"), a.ReportChargeResponse(task=task.shown[6]))
    story.call(report_request("CAPTURED"), a.ReportChargeResponse(task=task.shown[7]))
    story.watch(
        c.WatchTaskRequest(task_id="t1", after_version=5),
        told_alone(task, 6),
        told_alone(task, 7, last=True),
        code="OK",
    )
    early = story.watch(c.WatchTaskRequest(task_id="t1"), told_alone(task, 4, SNAPSHOT, last=True))
    early.start = 4.1  # before any later version was seen
    assert story.judge().passed, str(story.judge())


@pytest.mark.parametrize(
    "versions",
    [
        [{"refund": "NONE"}],
        [{"charge": "VOIDED", "refund": "REQUIRED"}],
        [{"refund": "NOT_OWED"}],
        [
            {"refund": "REFUNDED", "settlement": settlement()},
            {"refund": "NOT_OWED", "settlement": settlement("NOT_OWED")},
        ],
        [
            {"refund": "REFUNDED", "settlement": settlement()},
            {"charge": "VOIDED", "settlement": settlement(request_id="x")},
        ],
    ],
    ids=["forgotten", "without money", "by nobody", "settled twice", "settled otherwise"],
)
def test_a_refund_that_the_rules_do_not_give_is_seen(versions):
    story, task = owed_story()
    for fields in versions:
        story.log(task, "FAILED", **fields)
    assert "money" in broken(story)


def test_money_of_completed_work_must_be_asked_for_when_its_order_is_cancelled():
    for asked in (True, False):
        story = Story()
        task = story.task("t1", agent_id="agent", fence=1, order_id="o1")
        story.log(task, "PENDING")
        story.log(task, "RUNNING", start_time=2 * SECOND)
        story.log(task, "RUNNING", "CAPTURED")
        story.log(task, "COMPLETED")
        story.cancellation("ORDER", "o1")
        if asked:
            story.log(task, "COMPLETED", refund="REQUIRED")
        assert ("money" in broken(story)) is not asked
        assert ("P3 atomic" in broken(story)) is not asked


@pytest.mark.parametrize(
    "lie",
    [
        lambda story, task: story.call(settle_request(), reason="REFUND_NOT_REQUIRED"),
        lambda story, task: story.call(
            settle_request("other"), t.SettleRefundResponse(task=task.shown[5])
        ),
        lambda story, task: story.call(report_request("VOIDED"), reason="TASK_NOT_RUNNING"),
        lambda story, task: story.call(
            report_request("CAPTURED"), a.ReportChargeResponse(task=task.shown[5])
        ),
    ],
    ids=["refused", "by another", "the old refusal", "a word that is not there"],
)
def test_an_answer_about_money_that_the_model_does_not_give_has_no_order(lie):
    story, task = owed_story()
    story.log(task, "FAILED", refund="REFUNDED", settlement=settlement())
    story.truth.requests["us", "settles"] = "t1"
    calls_before_the_end(story, task)
    story.call(settle_request(), t.SettleRefundResponse(task=task.shown[5]))
    assert story.judge().passed, str(story.judge())
    lie(story, task)
    assert "P4 linearizable" in broken(story)


def test_a_watch_that_ends_before_a_later_version_that_was_seen_ended_too_early():
    story, task = owed_story()
    story.log(task, "FAILED", "VOIDED", refund="NOT_OWED")
    calls_before_the_end(story, task)
    story.call(report_request("VOIDED"), a.ReportChargeResponse(task=task.shown[5]))
    request = c.WatchTaskRequest(task_id="t1", after_version=3)
    story.watch(request, told_alone(task, 4, last=True), code="OK")
    assert "a watch ends" in broken(story)


def test_a_watch_that_goes_on_after_the_newest_version_did_not_end():
    story, task = owed_story()
    calls_before_the_end(story, task)
    story.watch(c.WatchTaskRequest(task_id="t1", after_version=3), told_alone(task, 4))
    assert "a watch ends" in broken(story)
