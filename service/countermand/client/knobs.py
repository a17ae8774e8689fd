"""The knobs of the client: its bounds, queues, retries and waits.

The defaults are the production values. The client hands them to its parts; no part reads them from
here. What its users set, such as timeouts, are its own parameters.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientKnobs:
    """How one client behaves."""

    max_watches_per_channel: int = 90
    """Far below what a server takes on one connection: gRPC would hold back whatever is above that,
    without a word, and one lost connection would bring back all of its watches at once."""
    max_calls: int = 90
    """How many calls are under way; more wait their turn. A server refuses some when there are more
    than half as many as it takes on one connection."""
    min_try: float = 0.1
    """Seconds that a try must have before it; with less it would most likely end DEADLINE_EXCEEDED,
    which says less than the failure of the try before."""
    min_backoff: float = 0.1
    """Seconds of the first pause before a try, at most; each may be twice as long as the one
    before."""
    max_backoff: float = 2.0
    """Seconds of a pause, at most. Who was connected for longer begins anew with short ones."""
    page_size: int = 1000
    """How many tasks it reads at a time, where it lists them for itself."""
    max_agent_calls: int = 64
    """How many starts, reports and ends of an agent are under way; the rest of `max_calls` is for
    its charges."""
    max_open_tasks: int = 10_000
    """How many pending tasks an agent that takes some keeps in mind; it looks again for more."""
    max_near_tasks: int = 8
    """Agents that see the same tasks choose among so many of the oldest, to seldom choose the same
    one."""
    heartbeat_timeout: float = 5.0
    """Seconds of one Heartbeat, if a third of the lease is shorter, and the lease longer."""
    settle_timeout: float = 20.0
    """Seconds in which an agent that is closed waits for its bodies and sends their ends."""
    keepalive_time_ms: int = 30_000
    """A server that is gone without a word is noticed within this and the next. The server allows a
    ping each 10 s."""
    keepalive_timeout_ms: int = 10_000
    ping_timeout_ms: int = 10_000
    """Without it, a server that is frozen while its kernel still answers is noticed 60 s later."""
    min_reconnect_ms: int = 100
    max_reconnect_ms: int = 1_000
    """The default of gRPC waits up to 2 minutes before it connects again, long after a restart is
    over."""
    connect_timeout_ms: int = 5_000
    """How long one try to connect may take."""
    max_answer_bytes: int = 16 * 1024 * 1024
    """A request may be 4 MiB, and so may its answer, whose tasks are longer than the request's."""
    rest_before_fork: float = 1.0
    """Seconds from the end of the last client to a fork after which its child may open one. gRPC
    ends its threads by itself after a client is closed, and tells nobody when."""
