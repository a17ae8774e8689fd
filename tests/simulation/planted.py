"""Bugs that are planted into the service, to see that the simulation finds each:
`python -m tests.simulation.planted [NAME …]` prints how many seeds each needs.

A bug replaces one function of the product, here or in tests.chaos.planted, and is taken out again.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, NamedTuple

from countermand.core import commands as c
from countermand.core.decide import RULES
from countermand.core.rules import creating, reaping
from countermand.core.states import TaskState
from countermand.engine.reaper import Reaper
from countermand.engine.watching import watch_many
from countermand.engine.watching.hub import Hub, Subscription
from countermand.engine.watching.open_watches import Watcher, Watchers
from countermand.store.sql.reading_watches import WatchReader
from tests.chaos import planted as chaos
from tests.simulation.judge import judge
from tests.simulation.play import play
from tests.simulation.run import quiet
from tests.simulation.script import draw_script
from tests.simulation.stepping import pause

MOST = 2000
"""After how many seeds a bug counts as not found."""


class Bug(NamedTuple):
    """A bug, and the rule of the API that it breaks."""

    plant: Callable[[], None]
    rule: str

    @property
    def name(self) -> str:
        return self.plant.__name__


def page_bound_of_watch_task() -> None:
    """A page of a task's versions has the newest of them, where it should have the next."""

    def newest(history: Any) -> Any:
        def read(
            reader: Any, namespace: int, task_id: str, after: int, limit: int, trail: Any = None
        ) -> Any:
            task = reader.task(namespace, task_id)
            skipped = max(after, task.version - limit) if task is not None else after
            return history(reader, namespace, task_id, skipped, limit, None)

        return read

    chaos.replace(WatchReader, "history", newest)


def starved_heartbeat() -> None:
    """Whatever is committed for anybody puts off every heartbeat."""
    published = [0]

    def publishing(take: Any) -> Any:
        def took(hub: Hub, saves: Any) -> None:
            published[0] += bool(saves.events)
            take(hub, saves)

        return took

    def patient(wait: Any) -> Any:
        async def waited(watcher: Watcher, subscription: Any, until: float) -> bool:
            loop = asyncio.get_running_loop()
            interval = until - loop.time()
            while True:
                before = published[0]
                came: bool = await wait(watcher, subscription, until)
                if came or published[0] == before:
                    return came
                until = loop.time() + interval

        return waited

    chaos.replace(Hub, "take", publishing)
    chaos.replace(Watcher, "wait", patient)


def end_hidden_by_second_filter() -> None:
    """The end of a group is not told where the agent in the filter hides the change that is it."""

    def blind(choose: Any) -> Any:
        def chosen(asked: Any, part: Any) -> Any:
            entries, over = choose(asked, part)
            return entries, over and bool(entries) and part.entries[-1:] == entries[-1:]

        return chosen

    chaos.replace(watch_many, "_chosen_until_over", blind)


def deaf_reaper() -> None:
    """The reaper hears of no new deadline, and sleeps on."""
    chaos.replace(Reaper, "_hear", lambda _: lambda reaper, committed: None)


def forced_end_keeps_the_fence() -> None:
    """An end that the agent did not make leaves its fence as it was."""

    def kept(end: Any) -> Any:
        def ended(task: Any, state: Any, draft: Any, **how: Any) -> Any:
            return end(task, state, draft, **{**how, "by_agent": True})

        return ended

    chaos.replace(reaping, "end_task", kept)


def same_fence_again() -> None:
    """A second start of a task gives the fence of the first."""
    rule = RULES[c.StartTask]

    def start(command: Any, draft: Any) -> Any:
        before = draft.task(command.namespace, command.task_id)
        started = rule.decide(command, draft)
        if before is not None and before.state is not TaskState.PENDING:
            kept = started.evolve(fence=before.fence)
            draft.tasks[kept.namespace, kept.task_id] = kept
            return kept
        return started

    RULES[c.StartTask] = rule._replace(decide=start)


def trial_is_done() -> None:
    """A cancel that only asks what would be is done."""
    rule = RULES[c.CancelTask]

    def cancel(command: Any, draft: Any) -> Any:
        answer = rule.decide(command, draft)
        if command.validate_only:
            draft.rows.apply(draft)
        return answer

    RULES[c.CancelTask] = rule._replace(decide=cancel)


def early_cancel_ignored() -> None:
    """A task whose cancel came before it is created as if none had."""
    chaos.replace(creating, "stop_new_task", lambda _: lambda task, draft: task)


def hub_leaks() -> None:
    """A watch that ends stays among those who wait, now and then."""
    chaos.replace(
        Subscription,
        "close",
        lambda close: lambda one: None if chaos.now_and_then(3) else close(one),
    )


def watches_outlive_keys() -> None:
    """Watches go on when their key is revoked."""
    chaos.replace(Watchers, "sweep_now", lambda _: lambda watchers, is_live: None)


BUGS = [
    Bug(chaos.publish_before_commit, "5.8"),
    Bug(chaos.skipped_version, "5.2"),
    Bug(chaos.duplicate_delivery, "5.2"),
    Bug(chaos.acknowledged_before_commit, "4.1"),
    Bug(chaos.lost_request_id, "4.2"),
    Bug(chaos.torn_group_cancel, "4.1"),
    Bug(chaos.late_word, "3"),
    Bug(chaos.resume_skips, "5.4"),
    Bug(chaos.charge_after_cancel, "7"),
    Bug(chaos.undone_work_stands, "4.9"),
    Bug(chaos.settled_twice, "4.9"),
    Bug(chaos.lost_settlement, "4.9"),
    Bug(page_bound_of_watch_task, "5.2"),
    Bug(starved_heartbeat, "5.5"),
    Bug(end_hidden_by_second_filter, "5, WatchTasks"),
    Bug(watches_outlive_keys, "10"),
    Bug(deaf_reaper, "3, stuck is impossible"),
    Bug(forced_end_keeps_the_fence, "7, fences"),
    Bug(same_fence_again, "7, StartTask"),
    Bug(trial_is_done, "4.11"),
    Bug(early_cancel_ignored, "4.10"),
    Bug(hub_leaks, "5.7"),
]


@contextmanager
def planted(bug: Bug) -> Iterator[None]:
    """Plants a bug, and takes it out again."""
    kept: list[tuple[Any, str, Any]] = []

    def replacing(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        before = getattr(owner, name)
        kept.append((owner, name, before))
        setattr(owner, name, make(before))

    rules, swap, clock = dict(RULES), chaos.replace, chaos.time
    chaos.replace = replacing
    # A bug that widens its gap leaves its transaction in its middle for so long.
    chaos.time = SimpleNamespace(sleep=pause, time_ns=clock.time_ns)  # type: ignore[assignment]
    try:
        bug.plant()
        yield
    finally:
        chaos.replace, chaos.time = swap, clock
        for owner, name, before in reversed(kept):
            setattr(owner, name, before)
        RULES.update(rules)


def seeds_needed(bug: Bug, most: int = MOST) -> tuple[int, str] | None:
    """Returns after how many seeds a bug is found, and by which promises; None if it is not."""
    for seed in range(most):
        # A bug may need a gap in the middle of a transaction.
        script = replace(draw_script(seed), steps_commits=True)
        with planted(bug):
            found = judge(play(script)).promises
        if found and not judge(play(script)).promises:
            return seed + 1, ", ".join(sorted(found))
    return None


def main(names: list[str]) -> int:
    """Prints a line for each bug. Returns 1 if one was not found."""
    missed = 0
    for bug in BUGS:
        if names and bug.name not in names:
            continue
        with quiet():
            found = seeds_needed(bug, int(os.environ.get("COUNT", MOST)))
        missed += found is None
        count, by = found or (0, "not found")
        print(f"| `{bug.name}` | {bug.rule} | {count} |  {by}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation.planted", *sys.argv[1:]])
    sys.exit(main(sys.argv[1:]))
