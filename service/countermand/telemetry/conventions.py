"""The names in traces and metrics: OpenTelemetry's semantic conventions for RPC, and our own.

They are those of 1.45.0, the first in which the conventions for RPC are stable. They are written
out here, once, and not imported, since the published package is older and keeps them in a module
whose contents change without notice.
"""

from typing import Final
from urllib.parse import unquote

RPC_SYSTEM_NAME: Final = "rpc.system.name"
RPC_METHOD: Final = "rpc.method"
RPC_STATUS_CODE: Final = "rpc.status_code"
ERROR_TYPE: Final = "error.type"
PEER_ADDRESS: Final = "network.peer.address"
PEER_PORT: Final = "network.peer.port"
HTTP_METHOD: Final = "http.request.method"
HTTP_STATUS_CODE: Final = "http.response.status_code"
SERVICE_NAME: Final = "service.name"
SERVICE_INSTANCE_ID: Final = "service.instance.id"
SERVICE_VERSION: Final = "service.version"

GRPC: Final = "grpc"
SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.45.0"

OWN_PREFIX: Final = "countermand."
COMMIT_SPAN: Final = "countermand.commit"
COMMIT_COMMANDS: Final = "countermand.commit.commands"
COMMIT_EVENTS: Final = "countermand.commit.events"
COMMIT_SAMPLED_REQUESTS: Final = "countermand.commit.sampled_requests"
COMMIT_STORE: Final = "countermand.commit.store"
WATCH_CLOSE_SPAN: Final = "countermand.watch.close"
WATCH_PHASE: Final = "countermand.watch.phase"
WATCH_MESSAGES: Final = "countermand.watch.messages"
WATCH_SECONDS: Final = "countermand.watch.seconds"
WEBHOOK_SPAN: Final = "countermand.webhook.delivery"
WEBHOOK_ID: Final = "countermand.webhook_id"
WEBHOOK_EVENT_TYPE: Final = "countermand.event_type"
WEBHOOK_ATTEMPT: Final = "countermand.attempt"

SERVER_FAULTS: Final = frozenset(
    {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}
)
"""The codes that are errors of a server's span; every other code is the caller's affair."""


def peer_attributes(peer: str) -> dict[str, str | int]:
    """Returns address and port of a peer as gRPC names it, such as `ipv6:%5B::1%5D:50051`.

    A peer in another form, such as `unix:/path`, is its own address.
    """
    scheme, _, rest = unquote(peer).partition(":")
    if scheme not in ("ipv4", "ipv6"):
        return {PEER_ADDRESS: peer}
    host, _, port = rest.rpartition(":")
    address = host.removeprefix("[").removesuffix("]")
    if not (address and port.isdecimal()):
        return {PEER_ADDRESS: peer}
    return {PEER_ADDRESS: address, PEER_PORT: int(port)}
