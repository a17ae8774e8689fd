"""What a store in SQL asks of its connection.

A statement is named, and each dialect has its own text of it, with the same parameters in the same
order. Whoever needs several starts them all before it takes the first answer: where a turn to the
server is long, what was started together takes one. It needs no more than that, for an answer is
waited for when it is taken; generators that hand out what to run would say it twice.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

JSON_IN_A_MILLISECOND = 64 * 1024
"""How many characters of JSON are read in a millisecond, or somewhat less."""
_DECODER = json.JSONDecoder()
_BETWEEN = re.compile(r"[\s,]*")

Parameters = Sequence[Any]
"""One row of parameters, as a statement takes them by their places."""


class Answer(Protocol):
    """What a statement answers. To take it waits for it, and raises what the statement raised."""

    def one(self) -> Sequence[Any] | None:
        """Returns the first row, None if there is none."""

    def all(self) -> Sequence[Sequence[Any]]:
        """Returns every row."""


class Session(Protocol):
    """Runs statements by their names on one connection, on the thread that has it.

    A UUID is given as its 16 bytes. A reading statement answers one JSON value as text, or raw
    values where that is said of it; one that only writes answers nothing, and may be known to have
    failed only when a later answer is taken, or at the commit.
    """

    def execute(self, name: str, parameters: Parameters | Mapping[str, Any] = ()) -> Answer:
        """Starts a statement with parameters by their places, or by their names."""

    def execute_rows(self, name: str, rows: Sequence[Parameters]) -> Sequence[Answer]:
        """Starts a statement that takes any number of rows of parameters.

        There is an answer for each run of it, for one takes a limited number of rows; none if there
        are no rows.
        """


class ReadingSession(Session, Protocol):
    """A session that cannot write, and reads in snapshots."""

    def begin_snapshot(self) -> None:
        """Begins a reading, unless one goes on: all until the end is one moment of the store."""

    def end_snapshot(self) -> None:
        """Ends a reading, if one goes on."""

    def is_worth_a_retry(self, error: Exception) -> bool:
        """Whether a reading that failed so may go well at once, on a new connection."""

    def failure(self, error: Exception) -> Exception:
        """Returns what an error means to who reads: StoreFailed, if it is the database's."""


def value_of(answer: Answer) -> Any:
    """Returns the JSON value that was answered; None if there is no row."""
    row = answer.one()
    return None if row is None else json.loads(row[0])


def values_of(answers: Sequence[Answer]) -> list[Any]:
    """Returns what all runs of a statement found, each of which answers one JSON array."""
    return [found for answer in answers for row in answer.all() for found in _elements(row[0])]


def _elements(text: str) -> list[Any]:
    """Returns what a JSON array has.

    A large one is read element by element: `json` gives up the interpreter lock at no point within
    a text, and ten thousand tasks would keep the event loop from it for a tenth of a second.
    """
    if len(text) < JSON_IN_A_MILLISECOND:
        found: list[Any] = json.loads(text)
        return found
    elements, place = [], _after_blanks(text, 1)
    while text[place] != "]":
        element, place = _DECODER.raw_decode(text, place)
        elements.append(element)
        place = _after_blanks(text, place)
    return elements


def _after_blanks(text: str, place: int) -> int:
    found = _BETWEEN.match(text, place)
    return place if found is None else found.end()
