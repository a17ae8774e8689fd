"""What a list prints: rows for people, JSON or CSV for programs."""

from collections.abc import Mapping, Sequence

from google.protobuf.message import Message

from countermand.cli.output import NONE, show, show_columns, show_csv_row, to_json
from countermand.cli.paging import PAGE_SIZE


class Rows:
    """Prints a list while it is read, so that its length costs no memory."""

    def __init__(
        self, names: Sequence[str], *, as_json: bool = False, as_csv: bool = False
    ) -> None:
        self._names = names
        self._as_json = as_json
        self._as_csv = as_csv
        self._waiting: list[Mapping[str, str]] = []
        self._shown: Sequence[str] = ()
        if as_csv:
            show_csv_row(names)

    def add(self, message: Message, cells: Sequence[str]) -> None:
        """Prints one row, soon: the message itself as JSON, its cells otherwise."""
        if self._as_json:
            show(to_json(message))
        elif self._as_csv:
            show_csv_row([cell or NONE for cell in cells])
        else:
            filled = [cell or NONE for cell in cells]
            self._waiting.append(dict(zip(self._names, filled, strict=True)))
            if len(self._waiting) >= PAGE_SIZE:
                self.end()

    def end(self) -> None:
        """Prints what is left."""
        is_empty = not self._shown and not self._as_json and not self._as_csv
        if self._waiting or is_empty:
            self._shown = show_columns(self._waiting, self._shown)
            self._waiting = []
