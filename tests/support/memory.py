"""How much memory a process has."""

from pathlib import Path


def mebibytes(pid: int) -> float:
    """Returns the resident memory of a process; 0 where there is no /proc."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0.0
    return int(status.read_text().partition("VmRSS:")[2].split()[0]) / 1024
