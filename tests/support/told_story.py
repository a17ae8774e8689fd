"""A log and what clients say that they saw of it, told line by line, for tests of the checker."""

from typing import Any

from google.protobuf.duration_pb2 import Duration

from countermand.v1 import agent_service_pb2 as a
from countermand.v1 import cancellation_pb2, order_pb2
from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import task_service_pb2 as t
from tests.chaos.robustness.checks import check
from tests.chaos.robustness.checks.verdict import Verdict
from tests.chaos.robustness.history import DROPPED, Call, History, Stream
from tests.chaos.robustness.truth import Cancellation, Join, RecordVersion, Task, Truth, Version

SECOND = 1_000_000
UNSET = dict.fromkeys(
    (
        "group_id",
        "checkout_id",
        "order_id",
        "agent_id",
        "expire_time",
        "start_time",
        "cancel_proof",
        "end_time",
    )
)
EMPTY = {
    "merchant": "",
    "labels": "{}",
    "fence": 0,
    "fence_raised": 0,
    "failure_message": "",
    "refund_state": "NONE",
}


class Story:
    """Every line takes a second. Calls and messages come in the order in which they are told."""

    def __init__(self) -> None:
        self.truth = Truth()
        self.history = History(lives=[(0, 10**6)], wall_offset=0)
        self.now = 0.0

    def task(self, task_id: str, tenant: str = "us", **row: Any) -> Task:
        """A task whose versions `log` writes."""
        task = Task(tenant, task_id, UNSET | EMPTY | {"create_time": 0} | row)
        self.truth.tasks[task_id] = task
        return task

    def log(self, task: Task, state: str, charge: str | None = None, **row: Any) -> Version:
        """Writes the next version of a task; more of its row can be given."""
        self.now += 1
        seq = self.truth.last[task.tenant] = self.truth.last[task.tenant] + 1
        before = task.versions[-1] if task.versions else None
        version = Version(
            seq,
            len(task.versions) + 1,
            state,
            charge or (before.charge_state if before else "NONE"),
            row.pop("deadline", before.deadline_time if before else None),
            row.pop("time", int(self.now * SECOND)),
            before.seq if before else 0,
            row.pop("refund", before.refund_state if before else None),
            row.pop("settlement", before.settlement if before else None),
        )
        task.versions.append(version)
        task.__dict__.pop("shown", None)
        task.row |= {
            "version": version.version,
            "state": state,
            "last_seq": seq,
            "charge_state": version.charge_state,
            "refund_state": version.refund,
            "end_time": task.end.time if task.end is not None else None,
            **row,
        }
        return version

    def cancellation(
        self, kind: str, target: str, *tasks: Task, state: str = "SUCCEEDED", request_id: str = ""
    ) -> Cancellation:
        """A cancel that is accepted with what is logged next."""
        found = Cancellation(
            "us",
            f"cancel of {target}",
            kind,
            target,
            {
                "reason": "",
                "message": f"stop {target}",
                "request_id": request_id,
                "requested_by": "key",
                "on_behalf_of": "",
                "join_count": 0,
                "accept_seq": self.truth.last["us"],
                "create_time": int((self.now + 1) * SECOND),
                "state": state,
            },
        )
        self.truth.cancellations[found.cancellation_id] = found
        for task in tasks:
            task.cancel = found
            task.row["cancellation_id"] = found.cancellation_id
        if request_id:
            self.truth.requests["us", request_id] = found.cancellation_id
        return found

    def join(self, one: Cancellation, message: str) -> Call:
        """Somebody else asks for what is being cancelled, and joins it."""
        self.now += 1
        joined = Join("other", "", message, "", f"of {message}", int(self.now * SECOND))
        one.joins.append(joined)
        one.row["join_count"] += 1
        key = ("us", joined.request_id)
        self.truth.requests[key] = one.cancellation_id
        self.truth.joined.add(key)
        answer = c.CancelOrderResponse(cancellation=cancellation(one), joined=True)
        request = c.CancelOrderRequest(
            order_id=one.target, message=message, request_id=joined.request_id
        )
        return self.call(request, answer)

    def order(self, order_id: str, *states: str) -> dict[str, Any]:
        """An order with a version of each of these states. Returns its row."""
        versions = self.truth.records["order", order_id]
        for state in states:
            self.now += 1
            seq = self.truth.last["us"] = self.truth.last["us"] + 1
            before = versions[-1].seq if versions else 0
            moment = int(self.now * SECOND)
            versions.append(RecordVersion(seq, len(versions) + 1, state, moment, before))
            self.truth.silent["us"].append(seq)
        last = versions[-1]
        row = {"version": last.version, "state": last.state, "last_seq": last.seq}
        row |= {"cancellation_id": None, "cancel_time": None}
        return self.truth.holders.setdefault(("order", order_id), row)

    def call(self, request: Any, answer: Any = None, **fields: Any) -> Call:
        """A call that ends now: with an answer, a refusal's `reason`, or a `code`."""
        self.now += 1
        method = type(request).__name__.removesuffix("Request")
        code = "FAILED_PRECONDITION" if answer is None else "OK"
        fields = {"start": self.now - 0.5, "end": self.now, "code": code} | fields
        call = Call("me", "us", method, request, answer=answer, **fields)
        self.history.calls.append(call)
        return call

    def watch(self, request: Any, *messages: Any, code: str = DROPPED, **fields: Any) -> Stream:
        """A watch that is told so many messages."""
        start, told = self.now + 0.5, []
        for message in messages:
            self.now += 1
            told.append((self.now, message))
        method = type(request).__name__.removesuffix("Request")
        stream = Stream("me", "us", method, request, start, messages=told, code=code, **fields)
        stream.end = self.now
        self.history.streams.append(stream)
        return stream

    def judge(self, **fields: Any) -> Verdict:
        """Returns what the checker says of it."""
        return check(self.history, self.truth, **fields)

    # What clients do, in few words; each is answered with a version as it is in the log.

    def create(self, task: Task) -> Call:
        answer = t.CreateTaskResponse(task=task.shown[1])
        return self.call(t.CreateTaskRequest(task_id=task.task_id), answer)

    def start(self, task: Task, version: int, fence: int = 1, agent_id: str = "agent") -> Call:
        answer = a.StartTaskResponse(task=task.shown[version], fence=fence)
        return self.call(a.StartTaskRequest(task_id=task.task_id, agent_id=agent_id), answer)

    def get(self, task: Task, version: int, **fields: Any) -> Call:
        answer = t.GetTaskResponse(task=task.shown[version])
        return self.call(t.GetTaskRequest(task_id=task.task_id), answer, **fields)

    def finish(self, task: Task, version: int, outcome: str, fence: int = 1) -> Call:
        request = finish_request(task, outcome, fence)
        return self.call(request, a.FinishTaskResponse(task=task.shown[version]))

    def cancel(self, task: Task, version: int, replayed: bool = False, **fields: Any) -> Call:
        answer = c.CancelTaskResponse(
            task=task.shown[version],
            cancellation=cancellation(self.truth.cancellations[f"cancel of {task.task_id}"]),
            replayed=replayed,
        )
        return self.call(cancel_request(task), answer, **fields)


def cancellation(one: Cancellation) -> cancellation_pb2.Cancellation:
    """A cancellation as it was answered at first, with all of its joins."""
    said = {name: one.row[name] for name in ("reason", "message", "requested_by", "request_id")}
    return cancellation_pb2.Cancellation(
        cancellation_id=one.cancellation_id,
        state=cancellation_pb2.CANCELLATION_STATE_IN_PROGRESS,
        join_count=one.row["join_count"],
        joins=[_join(join) for join in one.joins],
        **said,
    )


def _join(join: Join) -> cancellation_pb2.CancellationJoin:
    shown = cancellation_pb2.CancellationJoin(
        **{name: getattr(join, name) for name in Join._fields[:-1]}
    )
    shown.join_time.FromMicroseconds(join.join_time)
    return shown


def cancel_request(task: Task, request_id: str = "request") -> c.CancelTaskRequest:
    """The cancel of a task, with a grace of ten seconds."""
    return c.CancelTaskRequest(
        task_id=task.task_id,
        message=f"stop {task.task_id}",
        request_id=request_id,
        grace_period=Duration(seconds=10),
    )


def finish_request(task: Task, outcome: str, fence: int = 1) -> a.FinishTaskRequest:
    return a.FinishTaskRequest(
        task_id=task.task_id, fence=fence, outcome=f"FINISH_OUTCOME_{outcome}"
    )


def told(task: Task, version: int, kind: int = c.WATCH_TYPE_CHANGE, **fields: Any) -> Any:
    """A message of WatchTasks that shows a version as it is in the log."""
    return c.WatchTasksResponse(type=kind, task=task.shown[version], **fields)


def told_alone(task: Task, version: int, kind: int = c.WATCH_TYPE_CHANGE, **fields: Any) -> Any:
    """A message of WatchTask that shows a version as it is in the log."""
    return c.WatchTaskResponse(type=kind, task=task.shown[version], **fields)


def told_order(story: Story, order_id: str, version: int, **fields: Any) -> Any:
    """A message of WatchOrder that shows a version as it is in the log."""
    row, then = (
        story.truth.holders["order", order_id],
        story.truth.records["order", order_id][version - 1],
    )
    order = order_pb2.Order(order_id=order_id, version=version, state=f"ORDER_STATE_{then.state}")
    order.update_time.FromMicroseconds(then.time)
    if then.state not in ("OPEN", "CLOSED"):
        order.cancellation_id = row["cancellation_id"]
        order.cancel_time.FromMicroseconds(row["cancel_time"])
    return c.WatchOrderResponse(**{"type": c.WATCH_TYPE_CHANGE, "order": order} | fields)
