"""Which handler answers which method."""

from collections.abc import Iterable

from countermand.core.ids import SCOPES
from countermand.rpc.guard.calls import Guard
from countermand.rpc.guard.handlers import Handler, answering_once, answering_with_stream
from countermand.rpc.method import Stream, Unary


def handlers_of(guard: Guard, methods: Iterable[Unary | Stream]) -> dict[str, Handler]:
    """Returns the handlers of methods by their paths.

    Raises ValueError for a method that names no scope, or one that no key has: what nobody thought
    about is not served.
    """
    handlers: dict[str, Handler] = {}
    for method in methods:
        if not method.scopes or not set(SCOPES).issuperset(method.scopes):
            raise ValueError(f"{method.name} must name the scopes that may call it")
        handlers[f"/{method.name}"] = (
            answering_with_stream(guard.stream(method))
            if isinstance(method, Stream)
            else answering_once(guard.unary(method))
        )
    return handlers
