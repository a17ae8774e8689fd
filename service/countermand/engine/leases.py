"""What keeps agents from being lost to our own delay.

When agents could not renew their leases with the one server of a store, every live one is renewed
to its full duration with the next batch, before anything else in it is decided: after a commit that
failed, one that waited long for its disk, and after the process was suspended. A request that keeps
us busy, however large, is no such time. But nobody is heard meanwhile, so a lease has run
out only when we have been in time for a while since its end. And what a batch renewed is renewed
again if its answer was late, since a lease counts from its OK.

Of several servers on a store none knows alone that no agent could renew its lease: there the store
notes when one of them was last there, and renews all leases with the first that comes back.
"""

import logging

from countermand.core.changes import Id
from countermand.core.decide import Batch
from countermand.core.leases import MAX_DELAY, NO_RENEWAL, Renewal
from countermand.core.records import SECOND
from countermand.engine.suspend_detector import Pulse
from countermand.telemetry.logs import fields

log = logging.getLogger(__name__)


class Leases:
    """Says which leases the next batch renews, and by when a lease must have ended to be lost."""

    def __init__(self, pulse: Pulse, *, shared: bool = False) -> None:
        """`shared`: agents of this server may renew their leases with others, too. Then it is none
        of its own affairs when no agent could: see the store."""
        self._pulse = pulse
        self._shared = shared
        self._next = NO_RENEWAL
        self._granted: frozenset[Id] = frozenset()
        """The agents whose leases the last batch renewed."""
        self._was_slow = self._was_renewed = False
        """Whether the last batch said so in the log: one line, however long the disk is slow."""

    @property
    def delay(self) -> int:
        """How long after its end a lease counts as run out, in microseconds.

        So long a renewal may take that came in time, if we are in time ourselves.
        """
        return int(self._pulse.since(MAX_DELAY / SECOND) * SECOND)

    @property
    def hindered(self) -> bool:
        """Whether agents could not renew their leases, and have not been made up for it yet."""
        return self._next.all

    def hinder(self) -> None:
        """Notes that no agent could renew its lease here."""
        if not self._shared:
            self._next = Renewal(all=True)

    def renewal(self) -> Renewal:
        """Returns what the next batch must renew. It is asked for until a batch is committed."""
        if self._pulse.was_suspended():
            log.warning("the process was suspended")
            self.hinder()
        # The answers of the last batch may still have been here.
        if self._pulse.was_late() and not self._next.all:
            self._next = Renewal(agents=self._next.agents | self._granted)
        return self._next

    def committed(self, batch: Batch, waited: float, now: int) -> None:
        """Notes that a batch is on disk, for which it waited so many seconds, and is answered now,
        by the steady clock."""
        if batch.renewal.all and not self._was_renewed:
            log.info("renewed every lease, since no agent could")
        slow = waited * SECOND >= MAX_DELAY
        if slow and not self._was_slow:
            log.warning("the store is slow", extra=fields(seconds=round(waited, 3)))
        self._was_renewed, self._was_slow = batch.renewal.all, slow
        self._granted = frozenset(batch.saves.agents)
        late = now - batch.rows.instant.steady >= MAX_DELAY
        again = self._granted if late else NO_RENEWAL.agents
        self._next = Renewal(slow and not self._shared, again)
