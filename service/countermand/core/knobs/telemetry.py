"""The knobs of traces."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryKnobs:
    """How much is traced, and how long the last traces may take."""

    max_links: int = 128
    """Links on one span: what collectors take by default."""
    max_batch: int = 512
    """Spans that are sent in one request, if so many wait."""
    max_queue: int = 16_384
    """Spans that wait for the collector; when it is full, the oldest are lost."""
    shutdown_timeout: float = 2.0
    """Seconds to send what is left when the server leaves."""
    abort_timeout: float = 0.5
    """Seconds to end in once the sending was broken off."""
