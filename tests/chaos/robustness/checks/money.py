"""Whether the versions of a task say rightly whether money is to go back."""

import json
from collections.abc import Iterator

from tests.chaos.robustness.truth import Task, Truth, Version

MONEY = ("BEGUN", "CAPTURED")
SETTLED = ("REFUNDED", "NOT_OWED")


def is_owed(version: Version, *, undone: bool) -> bool:
    """Whether money may be held for work that does not stand."""
    if version.state == "COMPLETED":
        return undone and version.charge_state == "CAPTURED"
    return version.ended and version.charge_state in MONEY


def broken(task: Task, truth: Truth) -> Iterator[str]:
    """Returns what is wrong with its refunds."""
    accepts = [one.row["accept_seq"] for one in truth.undoing(task)]
    before: Version | None = None
    for version in task.versions:
        where = f"version {version.version} is {version.state}, {version.charge_state}"
        where += f" and {version.refund}"
        owed = is_owed(version, undone=any(accept < version.seq for accept in accepts))
        if not version.ended and (version.refund, version.settlement) != ("NONE", None):
            yield f"{where} before the end"
        elif owed and version.refund != "REQUIRED" and not _is_settled(version):
            yield f"{where}, though money may be held for nothing"
        elif not owed and version.refund == "REQUIRED":
            yield f"{where}, though no money may be held"
        was = before.refund if before is not None else "NONE"
        if version.refund != was and "REQUIRED" not in (version.refund, was):
            yield f"{where} after {was}: it is settled once"
        kept = before is None or version.settlement == before.settlement
        if version.refund in SETTLED and version.refund == was and not kept:
            yield f"{where}, and its settlement is another than before"
        before = version
    if before is not None and is_owed(before, undone=bool(accepts)) and before.refund == "NONE":
        yield f"version {before.version} is its last, and nobody was asked about its money"


def _is_settled(version: Version) -> bool:
    said = json.loads(version.settlement) if version.settlement is not None else [None]
    return bool(said[0] == version.refund)
