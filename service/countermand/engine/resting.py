"""Tenants that another writes at present. Their commands rest, and are tried again alone."""

from dataclasses import dataclass

from countermand.core.knobs import WriterKnobs


@dataclass(slots=True)
class _Rest:
    since: float
    """When another was first found to write the tenant, in seconds."""
    end: float
    """When its commands are tried again."""


class Resting:
    """When the commands of each such tenant have their next turn.

    They are never in a batch with others', which would fail with them.
    """

    def __init__(self, knobs: WriterKnobs) -> None:
        self._pause = knobs.busy_pause
        self._patience = knobs.max_busy
        self._rests: dict[int, _Rest] = {}

    def __bool__(self) -> bool:
        return bool(self._rests)

    def __contains__(self, namespace: object) -> bool:
        return namespace in self._rests

    def put(self, namespace: int, now: float) -> bool:
        """Lets a tenant rest that was found busy. Returns whether its commands may still wait."""
        rest = self._rests.setdefault(namespace, _Rest(now, now))
        rest.end = now + self._pause
        if now - rest.since <= self._patience:
            return True
        rest.since = now  # Those that came meanwhile have a time of their own.
        return False

    def forget(self, namespace: int) -> None:
        """Notes that a tenant's commands were committed, or that none wait."""
        self._rests.pop(namespace, None)

    def rested(self, now: float) -> list[int]:
        """Returns the tenants that have rested, whoever began first."""
        return [namespace for namespace, rest in self._rests.items() if rest.end <= now]

    def seconds_left(self, now: float) -> float:
        """Returns after how many seconds the next one has rested; 0 if there is none."""
        return max(0.0, min((rest.end for rest in self._rests.values()), default=now) - now)
