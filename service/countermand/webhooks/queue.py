"""What is sent to one endpoint, and when. It is pure: time comes in with each call.

What lies ahead of the endpoint's cursor is held a little at a time. What succeeds moves the cursor
on. What fails stays where it is for as long as nothing else succeeds, so that a dead endpoint is a
cursor that stands, whatever waits behind it; once something succeeds the cursor goes past it, and
it becomes a delivery of its own.

An endpoint at which several notices failed, and none succeeded since, is down: then one of them in
turn is tried at each step of the schedule, and nothing else.
"""

from countermand.core.webhook_commands import NoteOutcomes
from countermand.core.webhooks import (
    DISABLED_AFTER,
    FAILING_AFTER,
    FAILURES_THAT_HOLD_BACK,
    LIFETIME,
    MAX_RETRY_AFTER,
    SCHEDULE,
    DisableReason,
    Health,
    Webhook,
    WebhookState,
)
from countermand.webhooks.holding import EndpointItems
from countermand.webhooks.items import Item, Outcome, Stage


class EndpointQueue(EndpointItems):
    """The notices on their way to one endpoint."""

    def take(self, now: int) -> list[Item]:
        """Returns what is to be sent now; each is given back with `done` or `put_back`."""
        taken = []
        for item in self._sendable():
            if not self._has_room(item) or self._due_time(item) > now:
                continue
            item.stage = Stage.FLYING
            item.tried_time = now
            item.is_probe = self.is_down
            self._flying += 1
            self._tests += item.once
            taken.append(item)
        return taken

    def next_time(self) -> int | None:
        """Returns when something is to be sent, if nothing else happens; None if nothing is."""
        times = [self._due_time(item) for item in self._sendable() if self._has_room(item)]
        since = self._health.failing_since
        if since is not None and self.webhook.state is WebhookState.ENABLED:
            times.append(since + FAILING_AFTER)  # Then it is FAILING, whatever is tried.
        return min(times, default=None)

    def put_back(self, item: Item) -> None:
        """Takes an item back that was not sent."""
        self._flying -= 1
        self._tests -= item.once
        item.stage = Stage.WAITING

    def done(self, item: Item, outcome: Outcome, now: int) -> None:
        """Takes what came of a try."""
        self._flying -= 1
        self._tests -= item.once
        item.note(outcome.attempt)
        if outcome.ok:
            item.stage = Stage.OVER
        elif item.once:
            item.stage, item.failed = Stage.OVER, True
        else:
            item.stage = Stage.WAITING
            self._postpone(item, outcome, now)
        if not item.once:
            self._judge(item, outcome, now)
        if item.is_kept or (item.stage is Stage.OVER and item.attempt_count > 1):
            self._dirty[item.notice.number] = item
        if item.stage is Stage.OVER and item.is_kept:
            self._kept.pop(item.notice.number, None)

    def _postpone(self, item: Item, outcome: Outcome, now: int) -> None:
        """Decides when a notice that failed is tried again, if it is."""
        item.failures += 1
        asked = min(outcome.retry_after or 0, MAX_RETRY_AFTER)
        if item.failures <= len(SCHEDULE):
            item.next_time = now + max(self._schedule.step(item.failures), asked)
            if item.next_time <= item.begin_time + LIFETIME:
                return
        item.stage, item.failed = Stage.OVER, True
        self._missed += 1

    def _judge(self, item: Item, outcome: Outcome, now: int) -> None:
        """Takes a try into the endpoint's health."""
        if outcome.ok:
            if self.is_down:
                for other in self._items():
                    other.next_time = 0
            self._failed.clear()
            self._health = Health(
                outcome.attempt.time,
                next_time=self._rest if self._rest > now else None,
                disable_reason=self._health.disable_reason,
            )
            return
        self._failed.add(item.notice.number)
        since = self._health.failing_since
        health = self._health._replace(failing_since=now if since is None else since)
        if outcome.gone:
            health = health._replace(disable_reason=DisableReason.GONE)
        elif since is not None and now - since >= DISABLED_AFTER:
            health = health._replace(disable_reason=DisableReason.NO_SUCCESS)
        self._health = health
        # What was on its way when the endpoint went down was no probe.
        if self.is_down and (item.is_probe or not health.probes):
            probes = health.probes + 1
            self._health = health._replace(
                probes=probes, next_time=now + self._schedule.step(probes)
            )
        if outcome.retry_after:
            self._rest = max(self._rest, now + min(outcome.retry_after, MAX_RETRY_AFTER))
            later = max(self._health.next_time or 0, self._rest)
            self._health = self._health._replace(next_time=later)

    def _sendable(self) -> list[Item]:
        """Returns what nothing earlier of its subject holds back, and is not under way: nothing of
        what is ahead, while the store has deliveries without room here that may hold it back."""
        held: set[str] = set()
        found = []
        for item in self._items(ahead=not self._left_out):
            free = item.notice.subject not in held
            if free and item.stage is Stage.WAITING and (item.once or not self.is_disabled):
                found.append(item)
            if item.stage is Stage.FLYING or item.failures < FAILURES_THAT_HOLD_BACK:
                held.add(item.notice.subject)
        if self.is_down:
            found.sort(key=lambda item: (item.tried_time, item.notice.number))
        return found

    def _has_room(self, item: Item) -> bool:
        if item.once:
            return self._tests < self._knobs.max_in_flight
        room = 1 if self.is_down else self._knobs.max_in_flight
        return self._flying - self._tests < room

    def _due_time(self, item: Item) -> int:
        if item.once:
            return item.next_time
        rest = self._health.next_time or 0
        return rest if self.is_down else max(item.next_time, rest)

    def flush(self, now: int, claim: int = 0) -> NoteOutcomes | None:
        """Returns what is to be written down, by this claim; None if nothing is. It counts as
        written."""
        self._advance()
        moved = self._cursor != self.webhook.cursor or self._health != self.webhook.health
        if not (moved or self._dirty or self._missed or self._fails_by_now(now)):
            return None
        command = NoteOutcomes(
            0,
            of=self.webhook.namespace,
            webhook_id=self.webhook.webhook_id,
            epoch=self.webhook.epoch,
            cursor=self._cursor,
            deliveries=tuple(item.delivery(self.webhook, now) for item in self._dirty.values()),
            health=self._health,
            missed=self._missed,
            claim=claim,
        )
        self._dirty, self._missed = {}, 0
        return command

    def _fails_by_now(self, now: int) -> bool:
        since, state = self._health.failing_since, self.webhook.state
        return state is WebhookState.ENABLED and since is not None and now - since >= FAILING_AFTER

    def written(self, webhook: Webhook) -> None:
        """Takes the endpoint as it is stored after a flush."""
        if webhook.epoch == self.webhook.epoch:
            self.webhook = webhook

    def _advance(self) -> None:
        """Moves the cursor past what is over, and past what failed if the endpoint lives."""
        is_alive = self._health.failing_since is None and not self.is_disabled
        for number, item in list(self._ahead.items()):
            if item.stage is not Stage.OVER:
                if not is_alive or not self._may_be_kept(item):
                    return
                item.is_kept = True
                self._kept[number] = item
                self._dirty[number] = item
            del self._ahead[number]
            self._cursor = number

    def _may_be_kept(self, item: Item) -> bool:
        """Whether the cursor may go past what is not over: what failed, what that holds back, and
        what takes long while there is no room for more."""
        if len(self._kept) >= self._knobs.max_kept:
            return False
        if item.stage is Stage.FLYING:
            is_full = len(self._ahead) >= self._knobs.max_ahead
            return is_full and any(one.stage is Stage.OVER for one in self._ahead.values())
        return item.failures > 0 or any(
            other.notice.subject == item.notice.subject for other in self._kept.values()
        )
