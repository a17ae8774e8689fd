"""How many functions of ours some work calls: what it costs, on any machine and beside any load."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def calls_of(work: Callable[[], Any], package: str = "countermand") -> int:
    """Does the work on this thread. Returns how many functions of a package it called."""
    count = 0

    def hear(frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        if event == "call" and frame.f_globals.get("__name__", "").startswith(package):
            count += 1

    before = sys.getprofile()
    sys.setprofile(hear)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count
