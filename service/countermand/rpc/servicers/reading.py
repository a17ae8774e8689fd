"""Reading what holds tasks."""

from typing import TypeVar

from countermand.core.errors import not_found
from countermand.core.records import Holder, Target
from countermand.core.states import TaskState
from countermand.store.contract import Store
from countermand.store.lists import HolderReading

Kind = TypeVar("Kind", bound=Holder)


async def read(store: Store, target: Target) -> HolderReading:
    """Returns a group, checkout or order. Raises Refused: NOT_FOUND of its kind."""
    found = await store.holder(target)
    if found is None:
        raise not_found(target.kind.lower(), target.id)
    return found


async def read_holder(
    store: Store, target: Target, kind: type[Kind]
) -> tuple[Kind, dict[TaskState, int]]:
    """Returns what `read` returns, of this kind."""
    holder, counts = await read(store, target)
    assert isinstance(holder, kind)
    return holder, counts
