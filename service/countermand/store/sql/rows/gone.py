"""Rows that are removed: which statement takes them, and by what."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from countermand.core.cancellations import Cancellation
from countermand.core.log import Event, LoggedRecord
from countermand.core.records import Agent, Cart, Task
from countermand.core.retention import Gone, floors
from countermand.store.sql.rows.holders import HOLDER_ROWS
from countermand.store.sql.rows.ids import id_value, uuid_bytes
from countermand.store.sql.rows.labels import Labels


def write_gone(gone: Iterable[Gone]) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """Yields the statements that remove it, each with its rows; those are of one namespace."""
    found: dict[tuple[str, int], list[tuple[Any, ...]]] = defaultdict(list)
    labels: dict[int, Labels] = defaultdict(Labels)
    for one in gone:
        for name, id in _statements(one):
            found[name, one.namespace].append((one.namespace, id))
        if isinstance(one, Task) and one.labels:
            labels[one.namespace].add(one, one.number)
    for (name, _), parameters in found.items():
        yield name, parameters
    for namespace, theirs in labels.items():
        yield "delete_task_labels", theirs.rows(namespace)
    yield "raise_floors", [(namespace, *floor) for namespace, floor in floors(gone).items()]


def _statements(one: Gone) -> Iterator[tuple[str, Any]]:
    """Yields the names of the statements that remove one of these, and the ids that they take."""
    if isinstance(one, Task | Event):
        yield "delete_events", one.seq
    elif isinstance(one, LoggedRecord) and one.last_seq:
        yield "delete_events", one.last_seq
    if isinstance(one, Task):
        yield "delete_tasks", one.number
        if one.settlement is not None:
            yield "delete_settling_request_ids", uuid_bytes(one.task_id)
    elif isinstance(one, Cancellation):
        id = uuid_bytes(one.cancellation_id)
        yield "delete_cancellation", id
        if one.request_id is not None:
            yield "delete_request_ids", uuid_bytes(one.request_id)
        yield "delete_joined_request_ids", id
        if one.join_count:
            yield "delete_joins", id
    elif isinstance(one, Cart):
        yield "delete_cart", one.cart_id
    elif isinstance(one, Agent):
        yield "delete_agent", one.agent_id
    elif not isinstance(one, Event):
        yield f"delete_{HOLDER_ROWS[one.target.kind].scope}", id_value(one.target)
