"""The SQL of the store, read from its files once."""

from functools import cache
from importlib.resources import files

TASK_COLUMNS = (
    "task_no, namespace_no, task_id, group_id, merchant, labels, create_time, update_time, state, "
    "version, agent_id, fence, cancellation_id, cancel_proof, deadline_time, failure_message, "
    "charge_state, refund_required, expire_time, start_time, end_time, last_seq"
)
GROUP_COLUMNS = (
    "namespace_no, group_id, closed, create_time, update_time, version, task_count, live_count, "
    "cancellation_id"
)
CANCELLATION_COLUMNS = (
    "namespace_no, cancellation_id, target_kind, target_id, reason, message, requested_by, "
    "on_behalf_of, request_id, create_time, trace_id, span_id, sampled, accept_seq, state, "
    "deadline_time, end_time, live_count, never_started_count, acknowledged_count, forced_count, "
    "agent_lost_count, completed_count"
)
BLOBS = {
    "task_id",
    "group_id",
    "cancellation_id",
    "target_id",
    "request_id",
    "trace_id",
    "span_id",
}


def _read(alias: str, columns: str) -> str:
    """Returns the columns as JSON can carry them: bytes in hexadecimal digits."""
    return ", ".join(
        f"lower(hex({alias}.{column}))" if column in BLOBS else f"{alias}.{column}"
        for column in columns.split(", ")
    )


FRAGMENTS = {
    "task": _read("t", TASK_COLUMNS) + ", c.reason, c.message",
    "group": _read("g", GROUP_COLUMNS),
    "cancellation": _read("c", CANCELLATION_COLUMNS),
    "key": (
        "k.key_id, n.tenant, n.environment, k.scopes, hex(k.secret_hash), k.create_time, "
        "k.expire_time, k.revoke_time, n.namespace_no"
    ),
    "task_columns": TASK_COLUMNS,
    "group_columns": GROUP_COLUMNS,
    "cancellation_columns": CANCELLATION_COLUMNS,
}


@cache
def statements() -> dict[str, str]:
    """Returns every statement by its name; `{rows}` is left for `with_rows`."""
    found = {}
    for file in ("commit.sql", "read.sql"):
        text = files(__package__).joinpath(file).read_text(encoding="utf-8")
        for block in text.split("-- name: ")[1:]:
            name, _, body = block.partition("\n")
            for fragment, sql in FRAGMENTS.items():
                body = body.replace(f"{{{fragment}}}", sql)
            found[name.strip()] = body.strip()
    return found


@cache
def with_rows(name: str, rows: int, width: int) -> str:
    """Returns a statement for so many rows of parameters."""
    row = f"({', '.join('?' * width)})"
    return statements()[name].replace("{rows}", ", ".join([row] * rows))


def migrations() -> list[tuple[int, str]]:
    """Returns the schema's steps, numbered from 1 and in order."""
    folder = files(__package__).joinpath("migrations")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(int(name[:4]), folder.joinpath(name).read_text(encoding="utf-8")) for name in names]
