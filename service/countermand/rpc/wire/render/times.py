"""Times."""

from google.protobuf.timestamp_pb2 import Timestamp

from countermand.core.records import SECOND


def set_time(field: Timestamp, time: int | None) -> None:
    """Sets a time, and leaves it unset for None."""
    if time is not None:
        seconds, microseconds = divmod(time, SECOND)
        field.seconds = seconds
        field.nanos = microseconds * 1000
