"""How a command fails: what is said, and the exit status."""

import grpc

from countermand.cli.output import plain
from countermand.client import CountermandError
from countermand.core.errors import Refused

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
        case CountermandError(reason="", code=grpc.StatusCode.UNAVAILABLE):
            # gRPC says what it tried before it says what went wrong.
            cause = error.message.rpartition("last error: ")[2].removeprefix("UNKNOWN: ")
            return Failure(f"the server was not reached: {plain(cause)}", NOT_REACHED)
        case CountermandError(reason="", code=grpc.StatusCode.DEADLINE_EXCEEDED):
            return Failure("the server did not answer in time", NOT_REACHED)
        case CountermandError():
            return Failure(plain(str(error)))
        case OSError():
            return Failure(str(error))
        case BaseExceptionGroup():
            found = [as_failure(inner) for inner in error.exceptions]
            return None if None in found else found[0]
    return None
