"""What a call makes anew: its instant, and ids that the caller did not choose."""

from typing import NamedTuple

from countermand.core.ids import UuidMaker


class Fresh(NamedTuple):
    """The instant of one call, and the ids of that instant."""

    now: int
    ids: UuidMaker

    def uuid(self) -> str:
        """Returns a new UUIDv7."""
        return self.ids(self.now)
