"""Places in the log: where a watch of many tasks goes on, and where it cannot any more."""

from typing import NamedTuple

from countermand.core.errors import Reason, Refused, not_found, rfc3339
from countermand.core.log import Floor
from countermand.store.contract import Bookmark, Store


class Place(NamedTuple):
    """A place between two messages of a watch of many tasks."""

    seq: int
    """The position in the log up to which everything was told, or at which the snapshot is."""
    time: int
    """When that position was taken. After a restore from a backup another time stands there."""
    snapshot_after: int | None = None
    """The number of the last task of the snapshot that was told; None once all were."""
    snapshot_last: int = 0
    """The number of the snapshot's last task."""


async def expect_place(store: Store, namespace: int, place: Place, mark: Bookmark) -> None:
    """Refuses a place that the log does not have: one before its floor, or of a lost future."""
    floor = mark.floor
    if place.seq < floor.seq:
        raise _too_old(floor)
    known = {floor.seq: floor.time, mark.seq: mark.time}
    time = known.get(place.seq)
    if time is None:
        time = await store.event_time(namespace, place.seq)
    if time != place.time:
        raise Refused(
            Reason.RESUME_TOKEN_EXPIRED,
            "the resume token is of a log that this store does not have, as after a restore from "
            "a backup; watch anew without it",
            metadata=_kept_since(floor),
        )


def expect_kept(mark: Bookmark, after: int) -> None:
    """Refuses to go on after a position if what is watched, or some of the log, was removed."""
    if mark.missing is not None:
        raise not_found(mark.missing.kind.lower(), mark.missing.id)
    if after < mark.floor.seq:
        raise _too_old(mark.floor)


def _too_old(floor: Floor) -> Refused:
    return Refused(
        Reason.RESUME_TOKEN_EXPIRED,
        f"the log is kept from {rfc3339(floor.time)} on, and the place to go on from is older; "
        "watch anew without a resume token",
        metadata=_kept_since(floor),
    )


def _kept_since(floor: Floor) -> dict[str, str]:
    return {"kept_since_time": rfc3339(floor.time)} if floor.seq else {}
