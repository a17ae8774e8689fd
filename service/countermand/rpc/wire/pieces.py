"""Large requests, read piece by piece.

Protobuf reads a message at one go, and a request of 4 MiB in which every field is empty takes a
tenth of a second and hundreds of megabytes. Encoded messages that follow each other are one message
that has the fields of all, so a large one may be read from its outermost fields in pieces. Between
two of them, others have their turn; and what has too much of one field is refused before it is
read.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import DecodeError, Message

from countermand.core.errors import invalid
from countermand.core.knobs import PieceKnobs
from countermand.rpc.method import Stream, Unary

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""The types of fields on the wire."""
MAX_VARINT = 10
"""How many bytes a number has at most."""


async def read_request(method: Unary | Stream, data: bytes, knobs: PieceKnobs) -> Message:
    """Returns the request of a call. Raises Refused if it is too large, or none of its type."""
    if len(data) > method.max_bytes:
        raise invalid("request", f"must have at most {method.max_bytes} bytes")
    try:
        if len(data) <= knobs.max_bytes:
            return method.request.FromString(data)
        request = method.request()
        for piece in pieces(data, method.request.DESCRIPTOR, knobs):
            request.MergeFromString(piece)
            await asyncio.sleep(0)
        return request
    except DecodeError:
        raise invalid(
            "request", f"is no {method.request.DESCRIPTOR.full_name} in protobuf encoding"
        ) from None


def pieces(data: bytes, descriptor: Any, knobs: PieceKnobs) -> Iterator[bytes]:
    """Splits an encoded message between outermost fields.

    Raises Refused before the first piece with too much of a field or too many fields, and
    DecodeError before one that no message can have.
    """
    repeated = {field.number for field in descriptor.fields if field.is_repeated}
    lengths: Counter[int] = Counter()
    begin = position = fields = fields_before = 0
    while position < len(data):
        number, end = _field(data, position)
        fields += 1
        lengths[number] = end - position + (0 if number in repeated else lengths[number])
        if fields > knobs.max_request_fields:
            raise invalid("request", f"must have at most {knobs.max_request_fields} fields")
        if lengths[number] > knobs.max_field_bytes:
            field = descriptor.fields_by_number.get(number)
            name = "request" if field is None else field.name
            raise invalid(name, f"must have at most {knobs.max_field_bytes} bytes")
        position = end
        if position - begin >= knobs.max_bytes or fields - fields_before >= knobs.max_fields:
            yield data[begin:position]
            begin, fields_before = position, fields
    yield data[begin:]


def _field(data: bytes, position: int) -> tuple[int, int]:
    """Returns the number of the field that begins there, and where it ends."""
    tag, position = _varint(data, position)
    kind = tag & 7
    if kind == BYTES:
        length, position = _varint(data, position)
        position += length
    elif kind == VARINT:
        _, position = _varint(data, position)
    elif kind in (FIXED64, FIXED32):
        position += 8 if kind == FIXED64 else 4
    else:
        raise DecodeError
    if position > len(data):
        raise DecodeError
    return tag >> 3, position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Returns the number that is encoded there, and where it ends."""
    number = shift = 0
    for byte in data[position : position + MAX_VARINT]:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number, position + shift // 7
    raise DecodeError
