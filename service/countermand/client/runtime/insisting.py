"""Calls that must be heard: repeated for as long as it is open whether they were."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc

from countermand.client.backoff import Backoff
from countermand.client.connection import PUT_OFF
from countermand.client.errors import CountermandError
from countermand.client.knobs import ClientKnobs

Result = TypeVar("Result")

_OPEN = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
}


def is_open(error: CountermandError) -> bool:
    """Whether the call may have been accepted, or may be a moment later."""
    return error.code in _OPEN or error.reason in PUT_OFF


async def insist(call: Callable[[], Awaitable[Result]], knobs: ClientKnobs) -> Result:
    """Makes the call until it is answered, however long that takes. Raises what refuses it."""
    backoff = Backoff(knobs)
    while True:
        try:
            return await call()
        except CountermandError as error:
            if not is_open(error):
                raise
            pause = backoff.next(error.retry_delay)
        await asyncio.sleep(pause)
