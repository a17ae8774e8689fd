"""What stands in a store's file as it lies on the disk, whatever its log says.

Source of the format: https://www.sqlite.org/fileformat2.html
"""

import os
import struct
from typing import NamedTuple

MAGIC = b"SQLite format 3\0"
JOURNAL_MAGIC = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
SIZE = 108
"""The header, and how the page begins that has the list of all tables."""
PAGE_SIZE = struct.Struct(">16xH")
WORDS = struct.Struct(">40xI16xI4xI")
"""The schema's cookie, the user's version, the application's id."""
TABLES = struct.Struct(">100xBxxH")
LEAF = 13
INTEGER_SIZES = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 0, 9: 0}
CONSTANTS = {0: None, 8: 0, 9: 1}


class Header(NamedTuple):
    """What the header says."""

    page_size: int
    cookie: int
    """A number that SQLite changes with the schema, and in every copy that it makes."""
    schema: int
    application_id: int
    has_tables: bool


def read_header(descriptor: int) -> Header | None:
    """Returns the header of a file, or None if SQLite did not write it."""
    data = os.pread(descriptor, SIZE, 0)
    if len(data) < SIZE or not data.startswith(MAGIC):
        return None
    (page_size,) = PAGE_SIZE.unpack_from(data)
    cookie, schema, application_id = WORDS.unpack_from(data)
    kind, cells = TABLES.unpack_from(data)
    return Header(
        65536 if page_size == 1 else page_size,
        cookie,
        schema,
        application_id,
        has_tables=kind != LEAF or cells > 0,
    )


def read_only_row(descriptor: int, page: int, page_size: int) -> list[int | bytes | None] | None:
    """Returns the columns of a table that has one row of integers and blobs, or None for anything
    else. Pages are numbered from 1."""
    data = os.pread(descriptor, page_size, (page - 1) * page_size)
    if len(data) < page_size or data[0] != LEAF or data[3:5] != b"\0\1":
        return None
    cell = memoryview(data)[int.from_bytes(data[8:10]) :]
    try:
        _, cell = _varint(cell)  # the size of the record
        _, record = _varint(cell)  # the number of the row
        header_size, types = _varint(record)
        types, values = types[: header_size - (len(record) - len(types))], record[header_size:]
        row: list[int | bytes | None] = []
        while types:
            kind, types = _varint(types)
            size = INTEGER_SIZES.get(kind, (kind - 12) // 2)
            value, values = bytes(values[:size]), values[size:]
            row.append(_value(kind, value))
    except IndexError:
        return None
    return row


def _value(kind: int, value: bytes) -> int | bytes | None:
    if kind in CONSTANTS:
        return CONSTANTS[kind]
    return int.from_bytes(value, signed=True) if kind in INTEGER_SIZES else value


def _varint(data: memoryview) -> tuple[int, memoryview]:
    """Returns the number that bytes begin with, and the rest of them."""
    number = 0
    for place in range(8):
        number = number << 7 | data[place] & 0x7F
        if data[place] < 0x80:
            return number, data[place + 1 :]
    return number << 8 | data[8], data[9:]
