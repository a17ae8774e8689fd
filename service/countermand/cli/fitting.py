"""How text fits a terminal: it folds between words and never in one, and of rows those columns are
left out that find no room.

On a pipe each row is one line, however long, for programs that read lines.
"""

import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence

from rich.cells import cell_len
from rich.text import Text

GAP = "  "
_WORD = re.compile(r"\s*\S+\s*")


def terminal_width() -> int | None:
    """Returns how many columns the terminal has; None if standard output is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def fold(text: Text, width: int) -> list[Text]:
    """Returns the lines of a text of so many columns; a word that is longer has its own."""
    offsets: list[int] = []
    used = 0
    for found in _WORD.finditer(text.plain):
        word = found.group()
        if used and used + cell_len(word.rstrip()) > width:
            offsets.append(found.start())
            used = 0
        used += cell_len(word)
    lines = list(text.divide(offsets))
    for line in lines:
        line.rstrip()
    return lines


def hang(text: Text, width: int, indent: int) -> list[Text]:
    """Returns the lines of a text, those after the first one indented."""
    first, *rest = fold(text, width)
    if not rest:
        return [first]
    begin = len(text.plain) - len(text.plain[len(first.plain) :].lstrip())
    (_, following) = text.divide([begin])
    return [first, *(Text(" " * indent) + line for line in fold(following, width - indent))]


class Columns:
    """Which columns are shown, and how wide each is."""

    def __init__(self, rows: Sequence[Mapping[str, str]], width: int | None) -> None:
        """Of what has only `-` there is no column. The last columns are left out first."""
        names = list((rows or [{}])[0])
        self.names = [name for name in names if any(row[name] != "-" for row in rows)]
        self.left_out: list[str] = []
        least = {name: _longest_word(name, rows) for name in self.names}
        if width is not None:
            while len(self.names) > 1 and _total(least[name] for name in self.names) > width:
                self.left_out.insert(0, self.names.pop())
        self.widths = {
            name: max(cell_len(name), *(cell_len(row[name]) for row in rows)) for name in self.names
        }
        while width is not None and _total(self.widths.values()) > width:
            excess = _total(self.widths.values()) - width
            room = {name: self.widths[name] - least[name] for name in self.names}
            widest = max(room, key=room.__getitem__)
            if room[widest] <= 0:
                break
            self.widths[widest] -= min(excess, room[widest])

    def lines(self, cells: Sequence[Text]) -> list[Text]:
        """Returns the lines of one row."""
        folded = [
            fold(cell, self.widths[name]) for name, cell in zip(self.names, cells, strict=True)
        ]
        lines = []
        for number in range(max(map(len, folded), default=0)):
            line = Text()
            for name, parts in zip(self.names, folded, strict=True):
                part = parts[number] if number < len(parts) else Text()
                line += part
                line += Text(" " * (self.widths[name] - part.cell_len) + GAP)
            line.rstrip()
            lines.append(line)
        return lines


def _total(widths: Iterable[int]) -> int:
    found = list(widths)
    return sum(found) + len(GAP) * (len(found) - 1)


def _longest_word(name: str, rows: Sequence[Mapping[str, str]]) -> int:
    cells = [name, *(row[name] for row in rows)]
    return max((cell_len(word) for cell in cells for word in cell.split()), default=0)
