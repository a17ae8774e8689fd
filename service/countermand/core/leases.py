"""What an agent can rely on: it is never lost to our own delay.

The shortest lease is a second, and an agent renews it after a third of it. So two thirds are left
for what lies between: its renewal may wait for a third of a second until it is committed, and its
answer for another one. What takes longer is an outage, after which every live lease is renewed.
"""

from typing import NamedTuple

from countermand.core.records import SECOND

MAX_DELAY = SECOND // 3
"""How long a commit may take, or the process be suspended, before agents count as hindered."""


class Renewal(NamedTuple):
    """The live leases that a batch renews to their full duration before anything else."""

    all: bool = False
    agents: frozenset[tuple[int, str]] = frozenset()
    """The namespaces and ids of agents, if not all."""


NO_RENEWAL = Renewal()
