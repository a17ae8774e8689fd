"""Rows as SQLite keeps them, and records as the rules know them."""

from countermand.store.sql.rows.callers import (
    read_agent,
    read_key,
    write_agent,
    write_key,
)
from countermand.store.sql.rows.cancellations import (
    read_cancellation,
    read_ending_task,
    read_request_id,
    write_changed_cancellation,
    write_join,
    write_new_cancellation,
    write_request_id,
    write_running_cancellation,
    write_settling_request_id,
)
from countermand.store.sql.rows.gone import write_gone
from countermand.store.sql.rows.holders import (
    HOLDER_ROWS,
    read_cart,
    read_group,
    read_version,
    write_cart,
)
from countermand.store.sql.rows.ids import id_value, uuid_bytes, uuid_text
from countermand.store.sql.rows.labels import Labels, label_digest
from countermand.store.sql.rows.records import write_attached_event, write_record_event
from countermand.store.sql.rows.saved_tasks import write_changed_task, write_created_task
from countermand.store.sql.rows.tasks import (
    EVENT_WIDTH,
    read_event,
    read_task,
    write_event,
    write_refund,
)

__all__ = [
    "EVENT_WIDTH",
    "HOLDER_ROWS",
    "Labels",
    "id_value",
    "label_digest",
    "read_agent",
    "read_cancellation",
    "read_cart",
    "read_ending_task",
    "read_event",
    "read_group",
    "read_key",
    "read_request_id",
    "read_task",
    "read_version",
    "uuid_bytes",
    "uuid_text",
    "write_agent",
    "write_attached_event",
    "write_cart",
    "write_changed_cancellation",
    "write_changed_task",
    "write_created_task",
    "write_event",
    "write_gone",
    "write_join",
    "write_key",
    "write_new_cancellation",
    "write_record_event",
    "write_refund",
    "write_request_id",
    "write_running_cancellation",
    "write_settling_request_id",
]
