"""The form of requests: each check reads one field, and notes what is wrong with it.

The checks are our own and not annotations in the protos, since reading a field is most of
checking it: ids are folded to lower case, spans become microseconds, absence becomes a default.
"""

from collections.abc import Iterable
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from countermand.core.errors import Reason, Refused, Violation
from countermand.core.ids import is_name, parse_uuid
from countermand.core.records import SECOND

HOUR = 3600 * SECOND
DAY = 24 * HOUR
DEFAULT_PAGE = 50
LARGEST_PAGE = 1000
MAX_VIOLATIONS = 16
"""How many wrong fields an answer names: it travels in trailers, of which clients take 8 KiB."""
LONGEST_TEXT = 1000
MAX_LABELS = 16
MAX_LABEL_BYTES = 32 * 1024
"""Of the keys and values of a task's labels together."""


class Form:
    """Collects what is wrong with a request, so that a caller sees it at once."""

    def __init__(self) -> None:
        self._violations: dict[str, str] = {}

    def reject(self, field: str, description: str) -> None:
        """Notes that a field is wrong; of what is wrong with it, the first counts."""
        if len(self._violations) < MAX_VIOLATIONS:
            self._violations.setdefault(field, description)

    def check(self) -> None:
        """Raises Refused with one violation per wrong field, of the first ones, if any is wrong."""
        if self._violations:
            found = tuple(Violation(*pair) for pair in self._violations.items())
            text = "; ".join(f"{field}: {what}" for field, what in found)
            raise Refused(Reason.INVALID_REQUEST, text[:LONGEST_TEXT], violations=found)

    def uuid(self, field: str, text: str) -> str:
        """Reads a UUID that must be there."""
        found = parse_uuid(text)
        if found is None:
            self.reject(field, "must be a UUID of 36 characters, and not nil")
            return ""
        return found

    def optional_uuid(self, field: str, text: str) -> str | None:
        """Reads a UUID for which empty means none."""
        return self.uuid(field, text) if text else None

    def name(self, field: str, text: str) -> str:
        """Reads a caller-made id that must be there."""
        if not is_name(text):
            self.reject(field, "must be 1 to 128 characters of A-Z a-z 0-9 . _ : -")
        return text

    def optional_name(self, field: str, text: str) -> str | None:
        """Reads a caller-made id for which empty means none."""
        return self.name(field, text) if text else None

    def text(self, field: str, text: str, most: int) -> str:
        """Reads open text."""
        if len(text) > most:
            self.reject(field, f"must have at most {most} characters")
        elif "\0" in text:
            self.reject(field, "must not contain NUL")
        return text

    def labels(self, field: str, labels: Any) -> dict[str, str]:
        """Reads at most 16 labels, of 32 KiB together."""
        if not labels:
            return {}
        if len(labels) > MAX_LABELS:
            self.reject(field, f"must have at most {MAX_LABELS} entries")
            return {}
        size = 0
        for key, value in labels.items():
            size += len(key.encode()) + len(value.encode())
            if not 1 <= len(key) <= 128 or len(value) > 2048 or "\0" in key + value:
                self.reject(
                    field,
                    "keys must have 1 to 128 characters, values at most 2,048, and neither NUL",
                )
                break
        if size > MAX_LABEL_BYTES:
            self.reject(field, "must have at most 32 KiB together")
        return dict(labels)

    def span(self, field: str, owner: Any, default: int, *, least: int, most: int) -> int:
        """Reads a span of the message `owner` in microseconds."""
        if not owner.HasField(field):
            return default
        span: Duration = getattr(owner, field)
        microseconds = span.seconds * SECOND + span.nanos // 1000
        well_formed = abs(span.nanos) < 1_000_000_000 and span.seconds * span.nanos >= 0
        if not well_formed or not least <= microseconds <= most:
            self.reject(field, f"must be {least / SECOND:.9g} s to {most / SECOND:.9g} s")
            return default
        return microseconds

    def time(self, path: str, owner: Any) -> int | None:
        """Reads a time of the message `owner`, rounded down to microseconds; None if absent.

        It is the field that the path ends with.
        """
        field = path.rpartition(".")[2]
        if not owner.HasField(field):
            return None
        time: Timestamp = getattr(owner, field)
        if not is_time(time):
            self.reject(path, "must be a time of the years 1 to 9999")
            return None
        return time.seconds * SECOND + time.nanos // 1000

    def future(self, path: str, owner: Any, now: int) -> int | None:
        """Reads a time that must not have passed, of the field that the path ends with."""
        time = self.time(path, owner)
        if time is not None and time <= now:
            self.reject(path, "must not be in the past")
        return time

    def page_size(self, size: int) -> int:
        """Reads how many to answer at most."""
        if size < 0:
            self.reject("page_size", "must not be negative")
        return min(size or DEFAULT_PAGE, LARGEST_PAGE)

    def unique(self, field: str, ids: Iterable[str]) -> None:
        """Notes the first id that comes twice, by its place in the field."""
        seen: set[str] = set()
        for place, id in enumerate(ids):
            if id in seen:
                self.reject(field.format(place), "stands twice in this request")
                return
            if id:
                seen.add(id)


def is_time(time: Any) -> bool:
    """Whether a Timestamp is of the years 1 to 9999."""
    in_range = -62_135_596_800 <= time.seconds <= 253_402_300_799
    return bool(in_range and 0 <= time.nanos < 1_000_000_000)
