"""The clients of a history: those of the chaos harness, taken step by step."""

from tests.chaos.robustness import traffic
from tests.chaos.robustness.traffic import Worker

MIX = dict(traffic.MIX)
"""How often a worker does what."""


class SimWorker(Worker):
    """A worker that does what its script says."""
