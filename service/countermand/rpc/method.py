"""What a servicer offers: the methods of its service, and what each needs."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, NamedTuple, Protocol, TypeVar

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from countermand.core.caller import Caller
from countermand.core.trace import TraceContext
from countermand.engine.keyring import Principal
from countermand.engine.watching.open_watches import Watcher
from countermand.rpc.guard.limits import Kind

READING = ("Get", "List", "Summarize")
"""With what the names of methods begin that only read."""
SMALL = 64 * 1024
MEDIUM = 1024 * 1024
LARGE = 4 * 1024 * 1024
MAX_CERTIFICATE_NAME = 256
"""How much is kept of the name in a client's certificate."""


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
        return Caller(
            self.principal.key_id, self.trace, self.certificate_name()[:MAX_CERTIFICATE_NAME]
        )


class Unary(NamedTuple):
    """A method that answers once."""

    name: str
    """In full, for example `countermand.v1.TaskService/GetTask`."""
    request: type[Message]
    scopes: tuple[str, ...]
    """Any one of these lets a key call."""
    handle: Callable[[Call, Any], Awaitable[Message]]
    max_bytes: int = SMALL

    @property
    def kind(self) -> Kind:
        """What its calls are counted as."""
        verb = self.name.rpartition("/")[2]
        return Kind.READ if verb.startswith(READING) else Kind.WRITE

    def tasks_of(self, request: Any) -> int:
        """Returns how many tasks a request asks to create: only what creates many may be LARGE."""
        return len(request.tasks) if self.max_bytes == LARGE else 0


class Stream(NamedTuple):
    """A method that answers with a stream of encoded messages."""

    name: str
    request: type[Message]
    scopes: tuple[str, ...]
    handle: Callable[[Call, Any, Watcher], AsyncGenerator[bytes, None]]
    max_bytes: int = SMALL
    kind: Kind = Kind.WATCH


class Servicer(Protocol):
    """One service. Each of its methods is a function with the method's name in snake case, which
    says what it `needs`."""

    SERVICE: ServiceDescriptor
    """As the protos describe it."""


class Needs(NamedTuple):
    """What one method needs."""

    scopes: tuple[str, ...]
    max_bytes: int


Handle = TypeVar("Handle", bound=Callable[..., Any])


def needs(*scopes: str, max_bytes: int = SMALL) -> Callable[[Handle], Handle]:
    """Says of a servicer's function that any of the scopes lets a key call it, and how large a
    request may be."""

    def note(handle: Handle) -> Handle:
        handle.__dict__["needs"] = Needs(scopes, max_bytes)
        return handle

    return note


def methods_of(servicer: Servicer) -> list[Unary | Stream]:
    """Returns what a servicer offers: every method of its service.

    Raises AttributeError if it lacks one, or one does not say what it needs.
    """
    return [_method(described, servicer) for described in servicer.SERVICE.methods]


def _method(described: MethodDescriptor, servicer: Servicer) -> Unary | Stream:
    handle = getattr(servicer, re.sub(r"\B(?=[A-Z])", "_", described.name).lower())
    needed: Needs = handle.needs
    kind = Stream if described.server_streaming else Unary
    return kind(
        f"{servicer.SERVICE.full_name}/{described.name}",
        GetMessageClass(described.input_type),
        needed.scopes,
        handle,
        needed.max_bytes,
    )
