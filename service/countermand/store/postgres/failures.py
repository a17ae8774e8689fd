"""What an error of PostgreSQL means: for who wanted to write, to read, or to open the store.

A commit counts only if its answer says COMMIT and no warning came with it. An error that the server
answers to any statement of a transaction says that nothing of it was done. All else leaves it
open: the caller is told so, and its retry with the same request id finds the truth. Nothing here,
or anywhere, asks the server to cancel a statement: in a commit that waits for a standby, that would
show to everybody what no standby has.
"""

import re

import psycopg
from psycopg import errors

from countermand.store.contract import StoreFailed

READ_ONLY = "25006"
DISK_FULL = "53100"
AT_ONCE = {
    "40001",  # serialization_failure
    "40P01",  # deadlock_detected
    "55P03",  # lock_not_available
    "57014",  # query_canceled, before the commit: the statement failed, and all with it
}
"""Nothing was done, and the same may go well at once."""
_TRANSIENT = ("08", "25P0", "40", "53", "55", "57", "58", "XX")
"""With what the codes begin that say something of the server, and nothing of a row."""
_REFUSED = {"26000", "42501", "42P01", "3D000", "28000", "28P01"}
"""What an operator has to put right: rights, tables that are gone, a pooler of transactions."""


class ConnectionGone(psycopg.OperationalError):
    """The connection is lost: what it had begun and not committed is not done."""

    failed_before = False
    """Whether the server had answered with an error before: no commit behind it was done."""
    was_broken = False
    """Whether we broke it, for the server did not answer: callers have waited long enough."""


def is_of_the_server(error: psycopg.Error) -> bool:
    """Whether it says something of the server, or the way to it, and nothing of what was asked."""
    code = error.sqlstate
    if code is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return code.startswith(_TRANSIENT) or code in _REFUSED or code == READ_ONLY


def is_worth_a_retry(error: BaseException) -> bool:
    """Whether a transaction that failed so, before its commit was sent, may go well at once."""
    if isinstance(error, ConnectionGone):
        return not error.was_broken
    return isinstance(error, psycopg.Error) and error.sqlstate in AT_ONCE


def ends_generation(error: BaseException) -> bool:
    """Whether no connection to this server is to be used any more."""
    if isinstance(error, ConnectionGone):
        return True
    return isinstance(error, psycopg.Error) and error.sqlstate == READ_ONLY


def write_failed(error: psycopg.Error) -> StoreFailed:
    """Says what a transaction means that failed before it was committed: nothing was done."""
    if error.sqlstate == DISK_FULL:
        return StoreFailed(f"the database's disk is full: {text_of(error)}", full=True)
    return StoreFailed(f"nothing was done: {text_of(error)}")


def commit_unknown(why: str) -> StoreFailed:
    """Says that a commit was sent, and that nobody can say whether it was done everywhere."""
    return StoreFailed(f"whether it was committed is not known: {why}", unknown=True)


def read_failed(error: psycopg.Error) -> StoreFailed:
    """Says that a reading was not possible."""
    return StoreFailed(f"cannot read: {text_of(error)}")


def error_of(code: str | None, message: str) -> psycopg.Error:
    """Returns the error that the server answered."""
    try:
        kind: type[psycopg.Error] = errors.lookup(code or "XX000")
    except KeyError:  # newer than the driver
        kind = psycopg.DatabaseError
    error = kind(message)
    error.sqlstate = code
    return error


def reason_of(error: psycopg.Error) -> str:
    """Returns why there is no connection, in a few words: libpq says much before that."""
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    said = re.sub(r"^connection (failed|is bad): ", "", first)
    said = re.sub(r"^connection to server (at|on) .*? failed: ", "", said)
    said = said.removeprefix("FATAL:").removeprefix("ERROR:").strip()
    if "session is read-only" in said:
        return "it takes no writes, as a standby does not"
    return said


def text_of(error: BaseException) -> str:
    """Returns what an error says, in one line."""
    said = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
    code = getattr(error, "sqlstate", None)
    return f"{said} ({code})" if code else said
