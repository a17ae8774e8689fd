"""Work that goes on in steps: a coroutine in all but name, that can pause at any depth.

So a transaction can be left in its middle, for others to read, or for a crash. When it goes on is
the event loop's to say, so the seed decides this, too.
"""

from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from greenlet import getcurrent, greenlet


class _Ended(BaseException):
    """The process died in the middle of the work."""


class Stepper:
    """One piece of work. Call `resume` until it is done."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.seconds = 0.0
        """How long it pauses."""
        self.result: Any = None
        self.error: Exception | None = None
        self.is_done = False
        self._work = work
        self._stack = greenlet(self._run)
        self._stack.gr_context = copy_context()

    def resume(self) -> bool:
        """Lets it go on to its next pause, or its end. Returns whether it has ended."""
        self._stack.parent = getcurrent()
        _STEPPERS.append(self)
        try:
            self._stack.switch()
        finally:
            _STEPPERS.pop()
        return self.is_done

    def pause(self, seconds: float) -> None:
        """Waits, within the work, until it is resumed."""
        self.seconds = seconds
        self._stack.parent.switch()

    def die(self) -> None:
        """Ends the work, wherever it pauses."""
        if not self.is_done:
            self.is_done = True
            if self._stack:
                self._stack.parent = getcurrent()
                self._stack.throw(_Ended())

    def _run(self) -> None:
        try:
            self.result = self._work()
        except _Ended:
            pass
        except Exception as error:
            self.error = error
        self.is_done = True


_STEPPERS: list[Stepper] = []
"""The stepper whose work goes on at present, if any."""


def pause(seconds: float) -> None:
    """Lets others go on for so long, if this is the work of a stepper."""
    if _STEPPERS:
        _STEPPERS[-1].pause(seconds)
