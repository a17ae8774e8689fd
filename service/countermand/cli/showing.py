"""Messages as JSON, also those that hold what JSON has no word for.

Records of before may hold such: numbers that are not finite, and times that are none. Whoever asks
for a record is shown it all the same; what it is that has no word is shown as text.
"""

import json
from math import isfinite
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Value
from google.protobuf.timestamp_pb2 import Timestamp

Path = tuple[str | int, ...]


def to_odd_json(message: Message, indent: int | None = None) -> str:
    """The message as protobuf JSON, with text in the place of what JSON cannot say."""
    copy = type(message)()
    copy.CopyFrom(message)
    odd: dict[Path, str] = {}
    _make_plain(copy, (), odd)
    shown = MessageToDict(copy, preserving_proto_field_name=True)
    for path, text in odd.items():
        _put(shown, path, text)
    return json.dumps(shown, indent=indent)


def odd_time(time: Timestamp) -> str:
    """A time that is of no year from 1 to 9999, or has an impossible fraction."""
    return f"{time.seconds} s and {time.nanos} ns from 1970"


def _make_plain(message: Message, path: Path, odd: dict[Path, str]) -> None:
    """Takes out of a message what JSON cannot say, and notes times with their places."""
    if isinstance(message, Value) and message.HasField("number_value"):
        if not isfinite(message.number_value):
            message.string_value = str(message.number_value)
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        here = (*path, field.name)
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                for key in value:
                    _make_plain(value[key], (*here, str(key)), odd)
        elif field.is_repeated:
            for place, one in enumerate(value):
                _make_plain(one, (*here, place), odd)
        elif isinstance(value, Timestamp):
            if not _is_time(value):
                odd[here] = odd_time(value)
                message.ClearField(field.name)
        else:
            _make_plain(value, here, odd)


def _is_time(time: Timestamp) -> bool:
    try:
        time.ToJsonString()
    except ValueError:
        return False
    return True


def _put(shown: dict[str, Any], path: Path, text: str) -> None:
    *parents, name = path
    found: Any = shown
    for parent in parents:
        found = found[parent] if isinstance(parent, int) else found.setdefault(parent, {})
    found[name] = text
