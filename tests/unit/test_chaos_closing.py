"""The checker of the robustness runs, on closed holders that take something all the same."""

import pytest

from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import task_pb2
from countermand.v1 import task_service_pb2 as t
from tests.chaos.robustness.checks import closing
from tests.chaos.robustness.checks.verdict import Promise
from tests.support.told_story import Story

COLUMNS = {"GROUP": "group_id", "CHECKOUT": "checkout_id", "ORDER": "order_id"}


def broken(story: Story) -> list[Promise]:
    return [found.promise for found in closing.check(story.history, story.truth)]


@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize("is_late", [False, True], ids=["before", "after"])
def test_a_task_may_join_a_holder_before_its_cancel_and_not_after_it(kind, is_late):
    story = Story()
    task = story.task("t1", **{COLUMNS[kind]: "h1"})
    if is_late:
        story.cancellation(kind, "h1")
    story.log(task, "PENDING")
    if not is_late:
        story.cancellation(kind, "h1", task)
    story.log(task, "CANCELLED")
    assert broken(story) == [Promise.ONE_END] * is_late


@pytest.mark.parametrize("is_closed", [False, True])
@pytest.mark.parametrize("others", [(), ("t2",)], ids=["no other", "another"])
def test_a_group_that_was_made_closed_takes_no_other_task(is_closed, others):
    story = Story()
    for task_id in ("t1", *others):
        story.log(story.task(task_id, group_id="g1"), "PENDING")
    request = t.CreateGroupRequest(
        group_id="g1", closed=is_closed, tasks=[t.CreateTaskRequest(task_id="t1")]
    )
    story.call(request, t.CreateGroupResponse(tasks=[task_pb2.Task(task_id="t1")]))
    assert broken(story) == [Promise.ONE_END] * (is_closed and bool(others))


@pytest.mark.parametrize("kind", ["checkout", "order"])
@pytest.mark.parametrize("is_late", [False, True], ids=["meanwhile", "after"])
def test_a_group_may_be_made_under_what_is_being_cancelled_and_not_after_it(kind, is_late):
    story = Story()
    named = {f"{kind}_id": "h1"}
    cancel = {"checkout": c.CancelCheckoutRequest, "order": c.CancelOrderRequest}[kind]
    story.call(cancel(**named), c.CancelOrderResponse())
    start = story.now + (0.5 if is_late else -0.5)
    request = t.CreateGroupRequest(group_id="g1", **named)
    story.call(request, t.CreateGroupResponse(), start=start)
    assert broken(story) == [Promise.LINEARIZABLE] * is_late
