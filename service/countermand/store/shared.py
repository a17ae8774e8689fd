"""What the servers of one store share beside its rows: a clock, and who does what.

There is no leader. Each of these is done by whoever comes first, for all of them.
"""

from collections.abc import Iterable
from typing import NamedTuple, Protocol


class Seen(NamedTuple):
    """What a server sees of the others."""

    time: int
    """What the clock of all of them says at least, in microseconds."""
    keys: int
    """Which change of the keys was the last: a number that is another after each."""
    reaper: str
    """The replica that last looked for what is due, or would have if something had been."""
    renewed: bool = False
    """Whether every lease was renewed now, since no server ran, or none could write."""


class KeyUse(NamedTuple):
    """How much of one limit of a key a server has used since it began."""

    key_id: str
    kind: str
    """The name of the limit."""
    used: int
    """How much it let in; of watches, how many are open."""
    asked: int
    """How much was asked of it, with what it refused."""
    replica: str = ""
    """Which server it was."""


class SharedState(Protocol):
    """What a store keeps of the servers on it. Each of these raises StoreFailed."""

    @property
    def replica(self) -> str:
        """By which this server is known to the others, a UUID."""

    async def look(self, steady: int) -> Seen:
        """Returns what there is to see. `steady` is what the clock says here.

        If no server has said so for a while, this one notes what its clock says. If none has for
        so long that agents could not renew their leases, every live one is renewed with it, once.
        """

    async def take_purge(self, interval: float, retention: int) -> int | None:
        """Takes the next round of purging, if that is due: for so many seconds it is none of the
        others'. Returns the longest retention of those that purged, or tried to, within the last
        hour; None if it is not due."""

    async def take_first_key(self, seconds: float) -> bool:
        """Takes it upon this server to make the first key: for so many seconds, or until it leaves
        it, no other may. False if there is a key, or another makes it."""

    async def leave_first_key(self) -> None:
        """Lets others make the first key."""

    async def note_key_uses(self, uses: Iterable[KeyUse], seconds: float) -> list[KeyUse]:
        """Notes what this server has used. Returns what others have, of those that noted
        something within the last so many seconds."""
