"""What is printed: words for people, with colours on a terminal only, and JSON for programs."""

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import Annotated

import typer
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.json_format import MessageToJson, SerializeToJsonError
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.text import Text

from countermand.app.standard_streams import discard, note, write_whole
from countermand.cli.fitting import Columns, hang, terminal_width
from countermand.cli.showing import odd_time, to_odd_json

NONE = "-"

STYLES = {
    "PENDING": "dim",
    "RUNNING": "cyan",
    "CANCELLING": "yellow",
    "CANCELLED": "bold red",
    "PARTIALLY_CANCELLED": "red",
    "COMPLETED": "green",
    "FAILED": "magenta",
    "ROTATED": "yellow",
    "EXPIRED": "dim",
    "REVOKED": "dim",
}
"""The colour of a state, wherever it is shown."""


def word(enum: EnumTypeWrapper, value: int) -> str:
    """The API's word for an enum value, `-` if it is unspecified; a number if it is newer than
    this program."""
    if not value:
        return NONE
    prefix = enum.Name(0).removesuffix("UNSPECIFIED")
    try:
        return enum.Name(value).removeprefix(prefix)
    except ValueError:
        return str(value)


def yes_or_no(value: bool) -> str:
    """A flag as a person reads it."""
    return "yes" if value else "no"


def moment(time: Timestamp) -> str:
    """A time in UTC with milliseconds, `-` if it is unset."""
    if not time.ByteSize():
        return NONE
    try:
        return time.ToDatetime().isoformat(timespec="milliseconds") + "Z"
    except ValueError:  # records of before may hold what is no time
        return odd_time(time)


def to_json(message: Message, indent: int | None = None) -> str:
    """The message as protobuf JSON with the field names of the proto files; what JSON has no word
    for, as text."""
    try:
        return MessageToJson(message, preserving_proto_field_name=True, indent=indent)
    except SerializeToJsonError:
        return to_odd_json(message, indent)


def plain(text: str) -> str:
    """The text in one line, with escapes for all that is not printable: what somebody wrote far
    away must not steer this terminal, nor look like another line, nor run backwards."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def plain_lines(text: str) -> str:
    """Likewise, but lines stay lines."""
    return "\n".join(map(plain, text.split("\n")))


class NotShown(Exception):
    """What was to be printed could not be; the text says why."""


def show(line: str | Text, indent: int = 2) -> None:
    """Prints one line, or JSON, at once. If nobody reads any more, the command is done.

    On a terminal a text folds between its words, and goes on with an indent. Raises NotShown if it
    cannot be written.
    """
    try:
        if isinstance(line, str):
            write_whole(sys.stdout, plain_lines(line))
        else:
            _print(line, indent)
    except OSError as error:
        discard(sys.stdout)  # Python would complain again when it flushes at exit
        if isinstance(error, BrokenPipeError):
            raise typer.Exit from None
        raise NotShown(f"the answer cannot be written: {error.strerror}") from None


def _print(line: Text, indent: int) -> None:
    console = _console()
    parts = ((plain(part.text), part.style or "") for part in line.render(console))
    text, width = Text.assemble(*parts), terminal_width()
    for part in [text] if width is None else hang(text, width, indent):
        console.print(part, soft_wrap=True)


@contextmanager
def after(deed: str) -> Iterator[None]:
    """Shows what came of a deed. It is done, also if that cannot be shown, whatever the fault."""
    try:
        yield
    except typer.Exit:
        raise
    except NotShown as failure:
        note(f"{deed}, but {failure}")
    except Exception as fault:
        note(f"{deed}, but the answer cannot be shown: {plain(repr(fault))}")


def show_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Prints one line for each name and value, the values below one another."""
    facts = list(facts)
    width = max(len(name) for name, _ in facts) + 2
    for name, value in facts:
        fact = Text.assemble((f"{name:<{width}}", "dim"), (value or NONE, STYLES.get(value, "")))
        show(fact, indent=width)


def show_columns(rows: Sequence[Mapping[str, str]], below: Sequence[str] = ()) -> Sequence[str]:
    """Prints rows below the names of their columns, unless they stand below these already.

    A column that says nothing is left out, and so are the last ones if the terminal has no room for
    them. Without rows it says so on stderr. Returns the names.
    """
    if not rows:
        note("nothing was found")
        return ()
    rows = [{name: plain(cell) for name, cell in row.items()} for row in rows]
    columns = Columns(rows, terminal_width())
    if columns.names != list(below):
        for line in columns.lines([Text(name.upper(), "dim") for name in columns.names]):
            show(line)
    for row in rows:
        cells = [Text(row[name], STYLES.get(row[name], "")) for name in columns.names]
        for line in columns.lines(cells):
            show(line)
    if columns.left_out and not below:
        left_out = ", ".join(columns.left_out)
        note(f"no room for {left_out}: a wider terminal shows more, and --json all")
    return columns.names


CsvOption = Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")]


def show_csv(names: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Prints rows as RFC 4180 has them, below the names of their columns.

    What a spreadsheet would run as a formula gets an apostrophe before it: others wrote it.
    """
    for cells in (names, *([row[name] for name in names] for row in rows)):
        show_csv_row(cells)


def show_csv_row(cells: Iterable[str]) -> None:
    """Prints one row as `show_csv` does."""
    line = StringIO()
    csv.writer(line, lineterminator="").writerow(map(_as_text, cells))
    show(line.getvalue())


def _as_text(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULAS) and cell != NONE else cell


_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


class _Output(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # rich would exit with 1, which says that something was refused


def _console() -> Console:
    """Made for each line, since tests and callers may have put another stdout in place."""
    return _Output(highlight=False, markup=False, emoji=False)
