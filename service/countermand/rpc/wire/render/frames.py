"""The messages of watches, which are encoded by hand around a task that is encoded once."""


def frame_watch(kind: int, task: bytes | None, *, last: bool, token: str = "") -> bytes:
    """Returns an encoded WatchTaskResponse or WatchTasksResponse around an encoded task.

    The fields have the same numbers in both, and a message that is embedded stands in the encoding
    as its own bytes behind their length; so a task is encoded once for all who watch it.
    """
    parts = [b"\x08", bytes((kind,))]
    if task is not None:
        parts += [b"\x12", _varint(len(task)), task]
    if last:
        parts.append(b"\x18\x01")
    if token:
        encoded = token.encode()
        parts += [b"\x22", _varint(len(encoded)), encoded]
    return b"".join(parts)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
