"""What callers say of checkouts, carts and orders, held to its bounds."""

from collections.abc import Collection, Iterable
from typing import TypeVar

from google.protobuf.message import Message

from countermand.core.errors import Refused, invalid
from countermand.rpc.wire.bounds import (
    MAX_SNAPSHOT_BYTES,
    bound_of,
    check_counts,
    check_parts,
    check_values,
)
from countermand.rpc.wire.form import Form
from countermand.rpc.wire.snapshots import Snapshots, copy_field, encode_lines
from countermand.v1 import checkout_service_pb2

Snapshot = TypeVar("Snapshot", bound=Message)


def read_snapshot(form: Form, path: str, message: Message, kind: Snapshots) -> bytes:
    """Reads a new snapshot. Raises Refused at once for one that has too much of anything."""
    check_counts(form, path, message)
    form.check()  # before it is copied
    data = kind.encode(message)
    if len(data) > MAX_SNAPSHOT_BYTES:
        raise _too_large(path)
    check_values(form, path, message, kind.holds)
    return data


def read_lines(form: Form, request: checkout_service_pb2.ChangeCartRequest) -> bytes:
    """Reads the new lines of a cart, as `read_snapshot` does."""
    check_counts(form, "", request)
    form.check()
    data = encode_lines(request.line_items)
    if len(data) > MAX_SNAPSHOT_BYTES:
        raise _too_large("line_items")
    return data


def check_given(form: Form, path: str, message: Message, copied: Iterable[str]) -> None:
    """Notes what of the fields that an update copies has too much of anything within a part of it,
    or cannot be shown as JSON."""
    tops = {one.partition(".")[0] for one in copied}
    check_parts(form, path, message, tops.__contains__)
    check_values(form, path, message, tops.__contains__)


def merged(
    snapshot: bytes, given: Snapshot, paths: Collection[str], path: str, kind: Snapshots
) -> bytes:
    """Returns a snapshot with the fields of these paths as they are given.

    Raises Refused if it would have too much of anything, and more than it had.
    """
    present, before = type(given).FromString(snapshot), type(given).FromString(snapshot)
    for one in paths:
        copy_field(one, given, present)
    for field, value in present.ListFields():
        bound = bound_of(field) if field.is_repeated else None
        if bound is None or bound.max_items is None or len(value) <= bound.max_items:
            continue
        if len(value) > len(getattr(before, field.name)):
            raise invalid(f"{path}.{field.name}", f"must be at most {bound.max_items:,}")
    data = kind.encode(present)
    if len(data) > max(MAX_SNAPSHOT_BYTES, len(snapshot)):
        raise _too_large(path)
    return data


def _too_large(path: str) -> Refused:
    return invalid(path, f"must be at most {MAX_SNAPSHOT_BYTES // 1024} KiB encoded")
