"""The decider: everything that changes the store passes through here, a batch at a time.

It is pure: given the same rows, instant and commands it decides the same. It asks for rows by
yielding, and whoever drives it answers, in whichever way a store waits.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

from countermand.core import commands as c
from countermand.core import webhook_commands as w
from countermand.core.answers import Counted
from countermand.core.changes import Saves
from countermand.core.draft import Draft
from countermand.core.errors import Refused
from countermand.core.ids import UuidMaker
from countermand.core.instant import Instant
from countermand.core.leases import NO_RENEWAL, Renewal
from countermand.core.numbering import number_records
from countermand.core.outbox import note_changes
from countermand.core.quotas import GROWING, NO_BOUND, Room, expect_room
from countermand.core.refunds import SettleRefund
from countermand.core.rows import Loaded, Rows, Wanted
from countermand.core.rules import (
    cancelling_holders,
    cancelling_tasks,
    charging,
    checkouts,
    creating,
    keys,
    orders,
    purging,
    reaping,
    running,
    settling,
    webhooks,
)
from countermand.core.updates import UpdateCheckout


class Rule(NamedTuple):
    """What one command wants to see, and what it does."""

    wants: Callable[[Any, Rows, Wanted], None]
    """Called until it wants nothing more; each call may look at what was answered so far."""
    decide: Callable[[Any, Draft], object]
    """Changes the draft and returns the answer, or raises Refused."""


RULES: dict[type[c.Command], Rule] = {
    c.CreateTask: Rule(creating.wants_to_create_task, creating.create_task),
    c.CreateGroup: Rule(creating.wants_to_create_group, creating.create_group),
    c.StartTask: Rule(running.wants_to_start, running.start_task),
    c.RenewLease: Rule(running.wants_to_renew, running.renew_lease),
    c.BeginCharge: Rule(charging.wants_to_charge, charging.begin_charge),
    c.ReportCharge: Rule(charging.wants_to_charge, charging.report_charge),
    c.FinishTask: Rule(running.wants_to_finish, running.finish_task),
    c.CancelTask: Rule(cancelling_tasks.wants_to_cancel_task, cancelling_tasks.cancel_task),
    c.CancelGroup: Rule(cancelling_holders.wants_to_cancel_group, cancelling_holders.cancel_group),
    c.CancelCheckout: Rule(
        cancelling_holders.wants_to_cancel_checkout, cancelling_holders.cancel_checkout
    ),
    c.CancelOrder: Rule(cancelling_holders.wants_to_cancel_order, cancelling_holders.cancel_order),
    c.CreateCheckout: Rule(checkouts.wants_to_create_checkout, checkouts.create_checkout),
    c.CompleteCheckout: Rule(checkouts.wants_to_complete_checkout, checkouts.complete_checkout),
    UpdateCheckout: Rule(checkouts.wants_to_update_checkout, checkouts.update_checkout),
    c.ChangeCart: Rule(checkouts.wants_to_change_cart, checkouts.change_cart),
    c.CreateOrder: Rule(orders.wants_to_create_order, orders.create_order),
    c.UpdateOrder: Rule(orders.wants_to_update_order, orders.update_order),
    c.Reap: Rule(reaping.wants_to_reap, reaping.reap),
    c.Purge: Rule(purging.wants_to_purge, purging.purge),
    c.NoteClock: Rule(purging.wants_to_note_clock, purging.note_clock),
    SettleRefund: Rule(settling.wants_to_settle, settling.settle_refund),
    c.CreateKey: Rule(keys.wants_to_create_key, keys.create_key),
    c.RevokeKey: Rule(keys.wants_key, keys.revoke_key),
    c.RotateKey: Rule(keys.wants_key, keys.rotate_key),
    c.NoteKeyUses: Rule(keys.wants_to_note_key_uses, keys.note_key_uses),
    w.CreateWebhook: Rule(webhooks.wants_to_create_webhook, webhooks.create_webhook),
    w.UpdateWebhook: Rule(webhooks.wants_endpoints, webhooks.update_webhook),
    w.DeleteWebhook: Rule(webhooks.wants_endpoints, webhooks.delete_webhook),
    w.RotateSecret: Rule(webhooks.wants_endpoints, webhooks.rotate_secret),
    w.SendTest: Rule(webhooks.wants_endpoints, webhooks.send_test),
    w.Redeliver: Rule(webhooks.wants_to_redeliver, webhooks.redeliver),
    w.NoteOutcomes: Rule(webhooks.wants_to_note_outcomes, webhooks.note_outcomes),
    w.PurgeNotices: Rule(webhooks.wants_to_purge_notices, webhooks.purge_notices),
}

Plan = Generator[Wanted, Loaded, Saves]
"""Yields what it wants to see, is sent what there is, and returns what to save."""


class Batch:
    """Commands that are decided one after the other at one instant, and commit together."""

    def __init__(
        self,
        commands: Sequence[c.Command],
        instant: Instant,
        ids: UuidMaker,
        renewal: Renewal = NO_RENEWAL,
        room: Room = NO_BOUND,
    ) -> None:
        self.commands = commands
        self.renewal = renewal
        """The leases that are renewed from this instant on before the commands are decided."""
        self.answers: list[object | Refused] = []
        """One per command once the plan has run: what it answers, or why it is refused."""
        self.saves = Saves()
        self.rows = Rows(instant, ids)
        self.room = room
        """How much its commands may store; the store says what is free on its disk."""

    def restart(self) -> None:
        """Forgets what its plan has seen and decided, so that it may be run again."""
        self.answers = []
        self.saves = Saves()
        self.rows = Rows(self.rows.instant, self.rows.ids)

    def plan(self) -> Plan:
        """Decides the commands. It may be run once, and again after a restart."""
        yield from self._load()
        for command in self.commands:
            self.answers.append(decide(command, self.rows, self.room))
        self.saves = saves = self.rows.saves
        if saves.counts:
            self.answers = [
                answer.as_saved(saves) if isinstance(answer, Counted) else answer
                for answer in self.answers
            ]
        return saves

    def _load(self) -> Generator[Wanted, Loaded, None]:
        rules = [RULES[type(command)] for command in self.commands]
        asked: Wanted | None = None
        while True:
            wanted = Wanted()
            for command, rule in zip(self.commands, rules, strict=True):
                rule.wants(command, self.rows, wanted)
            unknown = self.rows.unknown(wanted)
            if not unknown:
                return
            if unknown == asked:  # Asking again would hold the writer without end.
                raise LookupError(f"the store did not say what was asked of it: {unknown}")
            self.rows.add(unknown, (yield unknown))
            asked = unknown


def decide(command: c.Command, rows: Rows, room: Room) -> object | Refused:
    """Decides one command and applies it to the rows, or returns why it is refused."""
    draft = Draft(rows)
    try:
        answer = RULES[type(command)].decide(command, draft)
        if type(command) in GROWING:
            expect_room(command, draft, rows, room)
    except Refused as refusal:
        # The traceback would keep every row of the batch alive until the caller has its answer.
        return refusal.with_traceback(None)
    if not getattr(command, "validate_only", False):
        if rows.outboxes:
            note_changes(draft, rows)
        rows.apply(draft)
        if rows.saves.to_log:
            number_records(rows)
    return answer
