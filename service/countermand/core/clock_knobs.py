"""The knobs of the clock; see core/knobs.py for all."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockKnobs:
    """How it is noticed that the wall clock leapt."""

    look_interval: float = 1.0
    """Seconds between two looks at it."""
    note_interval: float = 600.0
    """Seconds between two notes, in the store, of how long a server has run."""
    max_ahead: float = 60.0
    """Seconds that it may gain without a leap; what is old is kept as much longer."""
    max_behind: float = 1.0
    """Seconds that it may lose without a leap; what is old is kept as much shorter."""
