"""Whether what was printed is what a page shows, but for ids, times and keys."""

import re

LEFT_OUT = "…"
"""Alone in a line it stands for any lines; within one, for any text."""

_ASIDE = (
    (r"cmd_(sandbox|production)_[0-9a-f]{16}_\S+", "KEY"),
    (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", "TIME"),
    # An id that a page chose itself is compared.
    (r"\b(?!c0ffee)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "ID"),
    (r"\b(?:[0-9a-f]{32}|[0-9a-f]{16})\b", "ID"),
    (r"\b\d+ ms\b", "MILLISECONDS"),
    (r"\s+", " "),
)


def comparable(line: str) -> str:
    """A line without what differs from one session to the next."""
    for pattern, instead in _ASIDE:
        line = re.sub(pattern, instead, line)
    return line.strip()


class Expected:
    """What a page shows of an output."""

    def __init__(self, text: str) -> None:
        self._stretches: list[list[str]] = [[]]
        for line in map(comparable, text.splitlines()):
            if line == LEFT_OUT:
                self._stretches.append([])
            else:
                self._stretches[-1].append(line)

    def missing(self, printed: str, *, whole: bool = True) -> str | None:
        """Returns what was not printed where the page has it, or None if all was.

        With `whole`, nothing else may have been printed.
        """
        lines = [comparable(line) for line in printed.splitlines()]
        place = 0
        last = len(self._stretches) - 1
        for number, stretch in enumerate(self._stretches):
            begins = place if number == 0 else None
            ends = len(lines) - len(stretch) if whole and number == last else None
            found = _find(stretch, lines, place, begins, ends)
            if found is None:
                return _closest(stretch, lines, place)
            place = found + len(stretch)
        return None


def _find(
    stretch: list[str], lines: list[str], place: int, begins: int | None, ends: int | None
) -> int | None:
    """Where the stretch first stands from a place on; at one place alone if that is given."""
    for start in range(place, len(lines) - len(stretch) + 1):
        if {begins, ends} - {None, start}:
            continue
        if all(map(_is_line, stretch, lines[start : start + len(stretch)])):
            return start
    return None


def _is_line(shown: str, printed: str) -> bool:
    pattern = ".*".join(map(re.escape, shown.split(LEFT_OUT)))
    return re.fullmatch(pattern, printed) is not None


def _closest(stretch: list[str], lines: list[str], place: int) -> str:
    """The first line of the stretch that is nowhere, or all of it."""
    rest = lines[place:]
    for shown in stretch:
        if not any(_is_line(shown, printed) for printed in rest):
            return shown
    return "\n".join(stretch) or "nothing more"
