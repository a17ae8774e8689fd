"""Opaque tokens: where the next page or the resumed watch begins.

A token carries numbers and a short digest of all that it is bound to. It is no secret: whatever a
caller makes up, it reads only its own tenant and environment.
"""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

from countermand.core.errors import Reason, invalid
from countermand.core.ids import is_name
from countermand.engine.watching.places import Place

_DIGEST_BYTES = 8
_PLACE = struct.Struct(">qqqq")
_SYNCED = -1
_MAX_DIGITS = 18
"""Of a number in a page token: whatever is longer is none of ours, and may not fit a store."""


def encode(payload: bytes, *bound_to: Any) -> str:
    """Returns the token for a payload."""
    return urlsafe_b64encode(payload + _digest(payload, bound_to)).decode().rstrip("=")


def decode(token: str, field: str, reason: Reason, *bound_to: Any) -> bytes:
    """Returns the payload of a token. Raises Refused if it is not bound to exactly this."""
    try:
        data = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except ValueError:
        data = b""
    payload, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if not payload or digest != _digest(payload, bound_to):
        raise invalid(field, "is not a token of this call with these fields", reason)
    return payload


def encode_numbers(numbers: Sequence[int], *bound_to: Any) -> str:
    """Returns the page token of a place that is known by numbers; an empty one without any."""
    return encode(" ".join(map(str, numbers)).encode(), *bound_to) if numbers else ""


def decode_numbers(token: str, count: int, *bound_to: Any) -> tuple[int, ...]:
    """Returns the numbers of a page token, none for an empty one. Raises Refused:
    PAGE_TOKEN_INVALID."""
    if not token:
        return ()
    reason = Reason.PAGE_TOKEN_INVALID
    parts = decode(token, "page_token", reason, *bound_to).split(b" ")
    if len(parts) != count or not all(
        part.isdigit() and len(part) <= _MAX_DIGITS for part in parts
    ):
        raise invalid("page_token", "is not a page token", reason)
    return tuple(map(int, parts))


def encode_id(id: str | None, *bound_to: Any) -> str:
    """Returns the page token of a place that is known by an id; an empty one without any."""
    return encode(id.encode(), *bound_to) if id else ""


def decode_id(token: str, known: Callable[[str], str | None], *bound_to: Any) -> str | None:
    """Returns the id of a page token as `known` returns it, None for an empty one.

    Raises Refused: PAGE_TOKEN_INVALID, also if `known` returns None.
    """
    if not token:
        return None
    reason = Reason.PAGE_TOKEN_INVALID
    found = known(decode(token, "page_token", reason, *bound_to).decode("ascii", "replace"))
    if found is None:
        raise invalid("page_token", "is not a page token", reason)
    return found


def encode_named(number: int, name: str, *bound_to: Any) -> str:
    """Returns the page token of a place that is known by a number and a name."""
    return encode(f"{number} {name}".encode(), *bound_to)


def decode_named(token: str, *bound_to: Any) -> tuple[int, str]:
    """Returns the number and the name of a page token. Raises Refused: PAGE_TOKEN_INVALID."""
    reason = Reason.PAGE_TOKEN_INVALID
    payload = decode(token, "page_token", reason, *bound_to)
    number, _, said = payload.partition(b" ")
    name = said.decode("ascii", "replace")
    if not number.isdigit() or len(number) > _MAX_DIGITS or (name and not is_name(name)):
        raise invalid("page_token", "is not a page token", reason)
    return int(number), name


def encode_place(place: Place, *bound_to: Any) -> str:
    """Returns the resume token of a place."""
    after = _SYNCED if place.snapshot_after is None else place.snapshot_after
    return encode(_PLACE.pack(place.seq, place.time, after, place.snapshot_last), *bound_to)


def decode_place(token: str, *bound_to: Any) -> Place:
    """Returns the place of a resume token. Raises Refused: RESUME_TOKEN_INVALID."""
    reason = Reason.RESUME_TOKEN_INVALID
    payload = decode(token, "resume_token", reason, *bound_to)
    if len(payload) != _PLACE.size:
        raise invalid("resume_token", "is not a resume token", reason)
    seq, time, after, last = _PLACE.unpack(payload)
    return Place(seq, time, None if after == _SYNCED else after, last)


def _digest(payload: bytes, bound_to: tuple[Any, ...]) -> bytes:
    said = payload + repr(bound_to).encode()
    return blake2b(said, digest_size=_DIGEST_BYTES).digest()
