"""Statements that were started on a connection, and their answers once these have come."""

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.pq import DiagnosticField, ExecStatus

from countermand.store.postgres.failures import error_of
from countermand.store.postgres.values import loaders

if TYPE_CHECKING:
    from countermand.store.postgres.link import Link

ABORTED = "25P02"


class Started:
    """A statement that was started. To take its answer waits for it."""

    def __init__(self, link: "Link") -> None:
        self._link = link
        self._result: Any = None
        self.error: psycopg.Error | None = None
        self.is_refused = False
        """Whether the server said that it failed, and goes on: so nothing behind it was done."""

    def one(self) -> tuple[Any, ...] | None:
        """Returns the first row, None if there is none."""
        found = self.all()
        return found[0] if found else None

    def all(self) -> list[tuple[Any, ...]]:
        """Returns every row."""
        result = self._answer()
        load = loaders([result.ftype(at) for at in range(result.nfields)])
        return [
            tuple(
                None if (value := result.get_value(row, at)) is None else load[at](value)
                for at in range(len(load))
            )
            for row in range(result.ntuples)
        ]

    @property
    def tag(self) -> str:
        """What the server says was done, such as COMMIT."""
        return (self._answer().command_status or b"").decode()

    def _answer(self) -> Any:
        if self._result is None and self.error is None:
            self._link.settle()
        if self.error is not None:
            raise self.error
        return self._result

    def take(self, result: Any) -> None:
        """Takes what the server answered."""
        self._result = result
        if result.status == ExecStatus.FATAL_ERROR:
            code = result.error_field(DiagnosticField.SQLSTATE)
            said = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or result.error_message
            self.error = error_of(code.decode() if code else None, said.decode().strip())
            severity = result.error_field(DiagnosticField.SEVERITY_NONLOCALIZED)
            self.is_refused = severity == b"ERROR"
        elif result.status == ExecStatus.PIPELINE_ABORTED:
            self.error = error_of(ABORTED, "a statement before it failed")


class Preparing(Started):
    """That the server is to keep a statement."""

    def __init__(self, link: "Link", text: str) -> None:
        super().__init__(link)
        self._text = text

    def take(self, result: Any) -> None:
        super().take(result)
        if self.error is not None:
            self._link.forget(self._text)


class Hint(Started):
    """What is sent for others to hear, and fails without harm."""

    def take(self, result: Any) -> None:
        pass
