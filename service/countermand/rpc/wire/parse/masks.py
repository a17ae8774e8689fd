"""Which fields of a snapshot an update changes."""

from collections.abc import Collection, Sequence

from google.protobuf.message import Message

from countermand.core.errors import invalid
from countermand.rpc.wire.bounds import MAX_PATHS
from countermand.rpc.wire.form import Form
from countermand.rpc.wire.snapshots import Snapshots


def parse_mask(
    form: Form,
    paths: Sequence[str],
    given: Message,
    snapshots: Snapshots,
    ruled: Collection[str],
) -> list[str]:
    """Reads the fields to change: those of the mask; without one, those that are given.

    `ruled` are those that an update may name and that are not of the snapshot.
    """
    if not paths:
        names = [field.name for field, _ in given.ListFields()]
        return [name for name in names if snapshots.holds(name) or name in ruled]
    read_paths(form, paths)
    found: dict[str, None] = {}
    for place, path in enumerate(paths):
        if path == "*":
            found |= dict.fromkeys(snapshots.fields)
        elif path in ruled or _is_of_snapshot(path, snapshots):
            found[path] = None
        else:
            form.reject(f"update_mask.paths[{place}]", "is not a field that can be changed")
    return list(found)


def read_paths(form: Form, paths: Sequence[str]) -> None:
    """Reads the paths of an update_mask, before anything is made of them: few, and each once.

    Raises Refused at once if there are too many.
    """
    if len(paths) > MAX_PATHS:
        raise invalid("update_mask.paths", f"must be at most {MAX_PATHS}")
    form.unique("update_mask.paths[{}]", paths)


def _is_of_snapshot(path: str, snapshots: Snapshots) -> bool:
    """Whether a path leads to a field of the snapshot, only through messages of its package."""
    head, *rest = path.split(".")
    if not snapshots.holds(head):
        return False
    descriptor = snapshots.message.DESCRIPTOR
    field = descriptor.fields_by_name[head]
    for name in rest:
        inner = None if field.is_repeated else field.message_type
        of_package = inner is not None and inner.file.package == descriptor.file.package
        if inner is None or not of_package or name not in inner.fields_by_name:
            return False
        field = inner.fields_by_name[name]
    return True
