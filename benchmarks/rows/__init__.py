"""The rows: one measurement each, with its goals."""

from collections.abc import Callable
from typing import NamedTuple

from benchmarks.measured import Measured
from benchmarks.rows import (
    alone,
    at_rate,
    burst,
    cancel,
    costs,
    counting,
    group,
    idle,
    peers,
    postgres,
    replicas,
    restart,
    sizes,
    stalled,
    told,
    webhooks,
)
from benchmarks.stage import Stage


class Row(NamedTuple):
    """One measurement."""

    what: str
    measure: Callable[[Stage], Measured]
    """Raises CannotMeasureError if it needs something that is missing."""


ROWS: dict[str, Row] = {
    "cancel": Row("durable CancelTask against an empty RPC", cancel.measure),
    "alone": Row("one CancelTask at a time", alone.measure),
    "rate": Row("CancelTask of tasks that arrive evenly", at_rate.measure_sqlite),
    "postgres": Row("CancelTask on PostgreSQL", postgres.measure),
    "postgres-rate": Row("on PostgreSQL, of tasks that arrive evenly", at_rate.measure_postgres),
    "replicas": Row("CancelTask on several servers with one PostgreSQL", replicas.measure),
    "etcd": Row("CancelTask against etcd's Put", peers.measure_etcd),
    "a2a": Row("CancelTask against a2a-sdk's CancelTask", peers.measure_a2a),
    "temporal": Row("CancelTask against a cancel of Temporal's dev server", peers.measure_temporal),
    "told": Row("from the commit to one watcher", told.measure_one),
    "broadcast": Row("many watchers of one task", told.measure_many),
    "idle": Row("the memory of a WatchTask that waits", idle.measure),
    "burst": Row("the memory after a burst", burst.measure),
    "group": Row("CancelGroup of 10,000 tasks, and its neighbours", group.measure),
    "sizes": Row("CancelTask in a store of 10,000,000 tasks", sizes.measure),
    "restart": Row("ready after a restart", restart.measure),
    "costs": Row("what each part of a cancel costs", costs.measure),
    "metrics": Row("what metrics add to a cancel", counting.measure),
    "webhooks": Row("what webhooks add to a cancel without endpoints", webhooks.measure),
    "stalled": Row("1,000 watchers that take nothing", stalled.measure),
}
