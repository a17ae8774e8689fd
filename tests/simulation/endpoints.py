"""The endpoints of webhooks in the simulation, and what they hold the server to.

Exactly one notice for each change that was committed while its tenant had an endpoint, each at its
endpoint at least once, with one body, and in order for each subject.
"""

import asyncio
import json
import random
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from countermand.core.knobs import WebhookKnobs
from countermand.core.outbox import TASK_TYPES
from countermand.core.records import Task
from countermand.core.rows import Saves
from countermand.core.webhooks import WEBHOOK_TEST, Attempt, Notice, Webhook, WebhookState
from countermand.engine.listeners import Committed
from countermand.webhooks.items import Outcome
from tests.chaos.robustness.checks.verdict import Promise, Violation

Key = tuple[int, str]
HOLDS_BACK = 4
"""After how many failed tries a notice holds back the later ones of its subject no more."""


class Received(NamedTuple):
    """One request that came to an endpoint."""

    url: str
    notice: Notice
    is_taken: bool


class Endpoints:
    """All endpoints of one history, and all that was committed for them."""

    def __init__(self, chance: random.Random, time: Callable[[], float]) -> None:
        self._chance = chance
        self._time = time
        self.are_well = False
        """Whether they take whatever comes."""
        self.received: list[Received] = []
        self.written: dict[str, str] = {}
        """The body of every notice that was ever written, by its id; some were rolled back."""
        self.committed: dict[int, dict[int, Notice]] = defaultdict(dict)
        """What was heard of as committed, by namespace and number."""
        self.begins: dict[Key, int] = {}
        """Up to which number an endpoint is sent nothing."""
        self.webhooks: dict[Key, Webhook] = {}
        """Those that the store had when it was last looked at."""
        self.disturbed: set[Key] = set()
        """Those that were DISABLED once, or removed: what they miss is not looked at."""
        self.by_hand: set[str] = set()
        """The subjects of which something was asked for by hand, out of order."""
        self._states: dict[tuple[int, str], Any] = {}
        self._live: set[Key] = set()
        """Those that the present process is known to have."""
        self.faults: list[str] = []

    async def take(self, url: str, notice: Notice, delay: float) -> tuple[int, str]:
        """Takes a request. Returns the status, and the error if it is none of success."""
        await asyncio.sleep(delay)
        if self.are_well or self._chance.random() < 0.9:
            self.received.append(Received(url, notice, True))
            await asyncio.sleep(delay)
            return 200, ""
        status = self._chance.choice((500, 503, 404, 0))
        if status:
            self.received.append(Received(url, notice, False))
        return status, f"answered {status}"

    def write(self, saves: Saves) -> None:
        """Hears of what is about to be committed."""
        for notice in saves.notices:
            # What was rolled back gives its number to another.
            self.written[notice.message_id] = notice.body

    def restarted(self) -> None:
        """Forgets what may have changed without being heard of, since a process left."""
        self._states.clear()
        self._live.clear()

    def hear(self, committed: Committed) -> None:
        """Hears of what was committed."""
        saves = committed.batch.saves
        for notice in saves.notices:
            self.committed[notice.namespace][notice.number] = notice
        changes = saves.webhooks
        if changes is not None:
            self._live.difference_update(changes.deleted)
        said = {(one.namespace, one.type, one.body) for one in saves.notices}
        for event in saves.events:
            if event.task is not None:
                self._hear_of_task(event.task, said)
        if changes is None:
            return
        for key, webhook in changes.webhooks.items():
            self.begins.setdefault(key, webhook.cursor)
            self._live.add(key)
            if webhook.state is WebhookState.DISABLED:
                self.disturbed.add(key)

    def _hear_of_task(self, task: Task, said: set[tuple[int, str, str]]) -> None:
        key = (task.namespace, task.task_id)
        before, self._states[key] = self._states.get(key), task.state
        kind = TASK_TYPES.get(task.state)
        has_endpoint = any(namespace == task.namespace for namespace, _ in self._live)
        if before in (None, task.state) or kind is None or not has_endpoint:
            return
        for namespace, type, body in said:
            if (namespace, type) == (task.namespace, kind) and task.task_id in body:
                data = json.loads(body)["data"]
                if (data["task_id"], data["version"]) == (task.task_id, task.version):
                    return
        self.faults.append(f"no {kind} of version {task.version} of task {task.task_id}")

    def left(self) -> list[str]:
        """Returns what has not come to endpoints that are well, as far as the server knows."""
        found = []
        for (namespace, _), webhook in self.webhooks.items():
            numbers = self.committed[namespace]
            well = webhook.state is WebhookState.ENABLED and webhook.health.failing_since is None
            if well and numbers and webhook.cursor < max(numbers):
                found.append(f"{webhook.url} after {webhook.cursor} of {max(numbers)}")
        return found

    def violations(self, kept: set[tuple[int, str, int]]) -> Iterator[Violation]:
        """Finds what was said that was not so, not said, or in another order. `kept` are the
        deliveries that the store has, to be sent later or given up."""
        for what in self.faults:
            yield Violation(Promise.RELIABLE, f"an outbox has {what}")
        taken: dict[str, dict[int, Notice]] = defaultdict(dict)
        tries: dict[tuple[str, int], int] = defaultdict(int)
        for url, notice, is_taken in self.received:
            tries[url, notice.number] += 1
            if notice.type == WEBHOOK_TEST:
                continue
            if self.written.get(notice.message_id) != notice.body:
                yield Violation(Promise.UNSEEN, f"{url} was sent {notice.message_id}: never so")
            yield from self._order(url, notice, taken[url], tries)
            if is_taken:
                taken[url].setdefault(notice.number, notice)
        for key, webhook in self.webhooks.items():
            if key not in self.disturbed:
                yield from self._missed(key, webhook, taken[webhook.url], kept)

    def _order(
        self, url: str, notice: Notice, taken: dict[int, Notice], tries: dict[tuple[str, int], int]
    ) -> Iterator[Violation]:
        if notice.subject in self.by_hand or notice.number in taken:
            return
        late = [
            number
            for number, other in taken.items()
            if number > notice.number and other.subject == notice.subject
        ]
        if late and tries[url, notice.number] <= HOLDS_BACK:
            what = f"{url} was sent {notice.number} of {notice.subject} after {late}"
            yield Violation(Promise.ORDERED, what)

    def _missed(
        self,
        key: Key,
        webhook: Webhook,
        taken: dict[int, Notice],
        kept: set[tuple[int, str, int]],
    ) -> Iterator[Violation]:
        begin = self.begins.get(key, webhook.cursor)
        for number, notice in sorted(self.committed[webhook.namespace].items()):
            is_due = begin < number <= webhook.cursor and webhook.wants(notice.type)
            is_own = notice.subject.startswith("webhook:")
            if is_due and not is_own and number not in taken and (*key, number) not in kept:
                what = f"{webhook.url} was never sent {number}, {notice.type}"
                yield Violation(Promise.DURABLE, what)


class SimSender:
    """Sends to the endpoints of a history, with the face of the real sender."""

    def __init__(self, endpoints: Endpoints, delay: Callable[[], float]) -> None:
        self._endpoints = endpoints
        self._delay = delay

    def __call__(self, knobs: WebhookKnobs, *, loopback: bool = False) -> "SimSender":
        return self

    async def close(self) -> None:
        pass

    async def send(self, url: str, notice: Notice, secrets: Any, now: int) -> Outcome:
        assert secrets, "nothing signs it"
        status, error = await self._endpoints.take(url, notice, self._delay())
        return Outcome(Attempt(now, 1000, status, error), None)


def kept_deliveries(path: Path) -> set[tuple[int, str, int]]:
    """Returns which deliveries a store has: namespace, endpoint, and number."""
    with closing(sqlite3.connect(path)) as db:
        query = "SELECT namespace_no, webhook_id, notice_no FROM deliveries"
        return {(row[0], str(UUID(bytes=row[1])), row[2]) for row in db.execute(query)}
