"""How calls end that need no key: with a status, and no text of an exception gets out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from google.protobuf.message import DecodeError

from countermand.core.errors import Reason, Refused, invalid
from countermand.rpc.guard.open_calls import Context
from countermand.rpc.guard.refusal_log import RefusalLog
from countermand.rpc.status import render


@asynccontextmanager
async def refusing(context: Context, log: RefusalLog) -> AsyncIterator[None]:
    """Ends the call with a status for whatever is raised in it."""
    try:
        yield
    except Exception as error:
        rendered = render(_refusal_of(error, log))
        await context.abort(rendered.code, rendered.message, rendered.trailers)


def _refusal_of(error: Exception, log: RefusalLog) -> Refused:
    if isinstance(error, Refused):
        return error
    if isinstance(error, DecodeError):
        return invalid("request", "is not in protobuf encoding")
    log.failed("a call failed unexpectedly", error)
    return Refused(Reason.INTERNAL, "internal error")
