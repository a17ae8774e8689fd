"""Work that goes on in steps: a thread that runs only while the event loop waits for it.

So a transaction can be left in its middle, for others to read, or for a crash. Of the two only one
runs at a time, and when is the loop's to say, so the seed decides this, too.
"""

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any


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
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._dies = False
        context = copy_context()
        self._thread = threading.Thread(target=lambda: context.run(self._run), daemon=True)
        self._thread.start()

    def resume(self) -> bool:
        """Lets it go on to its next pause, or its end. Returns whether it has ended."""
        self._go.release()
        self._back.acquire()
        if self.is_done:
            self._thread.join()
        return self.is_done

    def pause(self, seconds: float) -> None:
        """Waits, on the thread, until it is resumed."""
        self.seconds = seconds
        self._back.release()
        self._go.acquire()
        if self._dies:
            raise _Ended

    def die(self) -> None:
        """Ends the thread, wherever it pauses."""
        if not self.is_done:
            self._dies = True
            self.resume()

    def _run(self) -> None:
        current.stepper = self
        self._go.acquire()
        try:
            if not self._dies:
                self.result = self._work()
        except _Ended:
            pass
        except Exception as error:
            self.error = error
        finally:
            self.is_done = True
            self._back.release()


current = threading.local()
"""The stepper of a thread that is one."""


def pause(seconds: float) -> None:
    """Lets others go on for so long, if this thread is one that goes in steps."""
    stepper = getattr(current, "stepper", None)
    if stepper is not None:
        stepper.pause(seconds)
