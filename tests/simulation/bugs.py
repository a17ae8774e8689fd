"""Bugs that are planted into the service, each with the rule of the API that it breaks.

A bug replaces one function of the product, here, in bugs_of_rules or in tests.chaos.planted, and is
taken out again.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from countermand.core import commands as c
from countermand.engine.keyring import Keyring
from countermand.engine.watching import messages, watch, watch_many, watch_record
from countermand.engine.watching.hub import Hub, Subscription
from countermand.engine.watching.open_watches import Watcher, Watchers
from countermand.rpc.servicers import agent as agent_service
from countermand.store.sql.reading_watches import WatchReader
from countermand.webhooks.queue import EndpointQueue
from tests.chaos import planted as chaos
from tests.simulation import bugs_of_rules as rules


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


def key_lives_when_its_revoker_hangs_up() -> None:
    """The keyring learns of a revocation from the answer, which nobody takes who hung up."""

    def deaf(hear: Any) -> Any:
        def heard(keyring: Keyring, committed: Any) -> None:
            changed = committed.batch.saves.keys
            revoked = any(type(one) is c.RevokeKey for one in committed.batch.commands)
            if changed and not revoked:
                hear(keyring, committed)

        return heard

    def revoking(change: Any) -> Any:
        async def changed(keyring: Keyring, command: Any, by: str = "") -> Any:
            key = await change(keyring, command, by)
            keyring._keep({key.key_id: key})
            return key

        return changed

    chaos.replace(Keyring, "_hear", deaf)
    chaos.replace(Keyring, "_change", revoking)


def first_end_is_last() -> None:
    """A watch ends with the version that ended its task, though its money had a later one."""

    async def hasty(watcher: Watcher, feed: Any, present: Any) -> Any:
        while True:
            part = await feed.next()
            if part is None:
                yield messages.Message(messages.Kind.HEARTBEAT, present)
                continue
            for entry in part.entries:
                present = entry.event.task
                yield messages.change(entry, last=present.ended)
                if present.ended:
                    return

    chaos.replace(watch, "_versions", lambda _: hasty)


def record_versions_skipped() -> None:
    """A watch of a checkout or order is told the last version of each page alone."""

    def hasty(changes: Any) -> Any:
        return lambda *page: iter([*changes(*page)][-1:])

    chaos.replace(watch_record, "_changes", hasty)


def cursor_runs_ahead() -> None:
    """The cursor of an endpoint goes past what was read, and not sent yet."""

    def ahead(advance: Any) -> Any:
        def advanced(queue: EndpointQueue) -> None:
            advance(queue)
            queue._cursor = max(queue._cursor, queue._read_to)

        return advanced

    chaos.replace(EndpointQueue, "_advance", ahead)


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


def stops_left_out() -> None:
    """A heartbeat leaves a task out that is to stop, now and then."""

    def forgetful(answer: Any) -> Any:
        async def answered(*asked: Any) -> Any:
            found = await answer(*asked)
            if found.stops and chaos.now_and_then(2):
                del found.stops[-1]
            return found

        return answered

    chaos.replace(agent_service.AgentService, "heartbeat", forgetful)


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
    Bug(first_end_is_last, "5.3"),
    Bug(record_versions_skipped, "5, WatchCheckout"),
    Bug(rules.notice_forgotten, "13"),
    Bug(cursor_runs_ahead, "13"),
    Bug(key_lives_when_its_revoker_hangs_up, "10"),
    Bug(watches_outlive_keys, "10"),
    Bug(rules.deaf_reaper, "3, stuck is impossible"),
    Bug(rules.forgotten_deadlines, "3, after a restart"),
    Bug(rules.forced_end_keeps_the_fence, "7, fences"),
    Bug(rules.same_fence_again, "7, StartTask"),
    Bug(rules.version_not_expected, "4, expected_version"),
    Bug(rules.trial_is_done, "4.11"),
    Bug(rules.early_cancel_ignored, "4.10"),
    Bug(rules.join_moves_the_deadline_away, "4.3"),
    Bug(rules.group_stays_open, "4.5"),
    Bug(rules.order_takes_groups, "7, CreateGroup"),
    Bug(rules.completed_counts_in_no_end, "4.8"),
    Bug(hub_leaks, "5.7"),
    Bug(stops_left_out, "7, Heartbeat"),
]
