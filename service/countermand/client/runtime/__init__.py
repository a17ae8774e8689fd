"""The runtime of an agent: lease, stops, fences, charges and ends, so that the body only works."""

from countermand.client.runtime.agent import Agent
from countermand.client.runtime.errors import ChargeRefused, Stopped, TaskLost
from countermand.client.runtime.work import Charge, Work

__all__ = ["Agent", "Charge", "ChargeRefused", "Stopped", "TaskLost", "Work"]
