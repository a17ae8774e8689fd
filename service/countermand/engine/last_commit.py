"""How long the last commit took."""

from countermand.engine.listeners import Committed


class LastCommit:
    """Hears of every commit, and keeps the times of the last one."""

    def __init__(self) -> None:
        self.start_ns = 0
        """By the wall clock; 0 before the first one."""
        self.end_ns = 0

    def __call__(self, committed: Committed) -> None:
        """Notes one commit."""
        self.start_ns, self.end_ns = committed.start_ns, committed.end_ns
