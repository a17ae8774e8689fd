"""The knobs of traces and of the log."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryKnobs:
    """How much is traced and logged, and how long the last of it may take."""

    max_links: int = 128
    """Links on one span: what collectors take by default."""
    max_batch: int = 512
    """Spans that are sent in one request, if so many wait."""
    max_queue: int = 16_384
    """Spans that wait for the collector; when it is full, the oldest are lost."""
    max_log_bytes: int = 1024 * 1024
    """Bytes of the log that wait for who reads standard error; lines above it are left out."""
    max_places: int = 8
    """How many places in the code a line names for an error in a library."""
    log_timeout: float = 0.5
    """Seconds that the end of the process waits for the log."""
    shutdown_timeout: float = 2.0
    """Seconds to send what is left when the server leaves."""
    abort_timeout: float = 0.5
    """Seconds to end in once the sending was broken off."""
