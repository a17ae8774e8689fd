"""What a servicer offers: its methods, and what each needs."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, NamedTuple, Protocol

from google.protobuf.message import Message

from countermand.core.caller import Caller
from countermand.core.trace import TraceContext
from countermand.engine.watchers import Watcher
from countermand.rpc.keyring import Principal

SMALL = 64 * 1024
LARGE = 4 * 1024 * 1024


def no_certificate() -> str:
    """Returns the name in the certificate of a client that showed none."""
    return ""


class Call(NamedTuple):
    """One call that was let in."""

    principal: Principal
    trace: TraceContext
    certificate_name: Callable[[], str] = no_certificate
    """Returns the name in the client's certificate; it takes time, so only cancels ask."""

    @property
    def namespace(self) -> int:
        """The tenant and environment that the call sees."""
        return self.principal.namespace

    def caller(self) -> Caller:
        """Returns what is remembered with a cancel."""
        return Caller(self.principal.key_id, self.trace, self.certificate_name())


class Unary(NamedTuple):
    """A method that answers once."""

    name: str
    """In full, for example `countermand.v1.TaskService/GetTask`."""
    request: type[Message]
    scopes: tuple[str, ...]
    """Any one of these lets a key call."""
    handle: Callable[[Call, Any], Awaitable[Message]]
    most_bytes: int = SMALL


class Stream(NamedTuple):
    """A method that answers with a stream of encoded messages."""

    name: str
    request: type[Message]
    scopes: tuple[str, ...]
    handle: Callable[[Call, Any, Watcher], AsyncGenerator[bytes, None]]
    most_bytes: int = SMALL


class Servicer(Protocol):
    """One service."""

    def methods(self) -> list[Unary | Stream]:
        """Returns what the service offers."""
