"""How a command fails: what is said, and the exit status."""

import grpc

from countermand.cli.output import NotShown, plain
from countermand.client import CountermandError
from countermand.core.errors import Refused

SERVER_PARTS = {"aiosqlite", "grpc_health", "grpc_reflection", "opentelemetry", "uvloop"}
"""What only a server needs beside what this command needs."""

DONE, REFUSED, WRONG_USAGE, NOT_REACHED = range(4)


class Failure(Exception):
    """Something to tell the user, without a traceback, and the exit status that goes with it."""

    def __init__(self, message: str, status: int = REFUSED) -> None:
        super().__init__(message)
        self.status = status


def as_failure(error: BaseException) -> Failure | None:
    """Returns what to tell about an error that is no fault of this program, else None."""
    match error:
        case Failure():
            return error
        case Refused():
            return Failure(plain(f"{error.reason}: {error.message}"))
        case CountermandError(reason="API_KEY_MISSING"):
            return Failure(f"{error.reason}: set COUNTERMAND_API_KEY or give --api-key")
        case CountermandError(reason="API_KEY_INVALID"):
            return Failure(
                f"{error.reason}: the key in COUNTERMAND_API_KEY or --api-key is none of this"
                " server, or has ended"
            )
        case CountermandError(reason="SCOPE_MISSING"):
            return Failure(
                f"{error.reason}: {plain(error.message)}; the one in COUNTERMAND_API_KEY or"
                " --api-key has none of it"
            )
        case CountermandError(reason="", code=grpc.StatusCode.UNAVAILABLE):
            return not_reached(plain(cause_of(error)))
        case CountermandError(reason="", code=grpc.StatusCode.DEADLINE_EXCEEDED):
            return Failure("the server did not answer in time", NOT_REACHED)
        case CountermandError():
            return Failure(plain(str(error)))
        case ModuleNotFoundError(name=str(name)) if name.partition(".")[0] in SERVER_PARTS:
            return Failure(f"this needs {name}: pip install 'countermand[server,cli]'")
        case NotShown() | OSError():
            return Failure(str(error))
        case BaseExceptionGroup():
            found = [as_failure(inner) for inner in error.exceptions]
            return None if None in found else found[0]
    return None


def unreached(error: BaseException) -> CountermandError | None:
    """Returns the error of a call that did not reach its server, else None."""
    match error:
        case CountermandError(reason="", code=grpc.StatusCode.UNAVAILABLE):
            return error
        case BaseExceptionGroup():
            found = [unreached(inner) for inner in error.exceptions]
            return None if None in found else found[0]
    return None


def cause_of(error: CountermandError) -> str:
    """Returns what went wrong; gRPC says what it tried before it says that."""
    return error.message.rpartition("last error: ")[2].removeprefix("UNKNOWN: ")


def not_reached(why: str) -> Failure:
    """Returns the failure of a command that did not reach its server."""
    return Failure(f"the server was not reached: {why}", NOT_REACHED)
