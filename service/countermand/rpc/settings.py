"""What an operator can set."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """How one server runs."""

    listen: str = "127.0.0.1:50051"
    """Host and port; port 0 picks a free one."""
    store: str = "sqlite:///countermand.db"
    """`sqlite:///` and a path, which is relative unless it begins with another slash."""
    drain_timeout: float = 10.0
    """Seconds that calls have to finish in after the first SIGTERM."""
