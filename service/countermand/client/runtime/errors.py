"""What the body of a task meets when it is not simply to go on."""

from countermand.v1.task_pb2 import Task


class Stopped(BaseException):
    """The body is to stop: its task is being cancelled, or is not the agent's any more.

    Let it pass. It is no Exception, so that `except Exception` does not keep a body from stopping.
    """


class TaskLost(Exception):
    """The task ended without the agent: its lease ran out, or somebody else ended or took it.

    Nothing that the body did since then counts. `task` shows it as it was last heard of.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(f"the task {task.task_id} is not this agent's any more")
        self.task = task


class ChargeRefused(Exception):
    """Money may have been taken for the task already, so it is not taken again.

    `task.charge_state` is CAPTURED, or BEGUN by an earlier run that did not say what came of it.
    """

    def __init__(self, task: Task, why: str) -> None:
        super().__init__(f"the task {task.task_id}: {why}")
        self.task = task
