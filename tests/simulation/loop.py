"""An event loop in virtual time: nothing waits, and a seed decides what comes next.

When nothing is ready, the clock jumps to the next timer. Of what is ready, tasks overtake each
other by chance, within a window that is drawn: every order of their awaits that a machine could
bring about has its chance. What is no step of a task keeps its order, as asyncio promises.
"""

import asyncio
import random
import sys
from asyncio import events
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from typing import Any

TICK = 1e-6
"""Seconds that pass with each step, so that no two have the same time."""
MAX_STEPS = 250_000
"""After so many steps a history counts as one that never ends; most have 12,000."""


class Stuck(Exception):
    """Nothing is ready and nothing is due, or there is no end of it."""


class Realm:
    """One process in the simulation. All that it started dies and stands still with it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.stands_until = 0.0
        """Until when nothing of it goes on."""
        self.tasks: list[asyncio.Task[Any]] = []
        context = copy_context()
        context.run(REALM.set, self)
        self.context: Context = context


REALM: ContextVar[Realm | None] = ContextVar("realm", default=None)


class _Handle:
    """What asyncio gives for what is to be called, without what it does for debugging."""

    __slots__ = ("args", "callback", "context", "is_cancelled", "when_due")

    def __init__(
        self,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: Context,
        when_due: float = 0.0,
    ) -> None:
        self.callback = callback
        self.args = args
        self.context = context
        self.is_cancelled = False
        self.when_due = when_due

    def cancel(self) -> None:
        self.is_cancelled = True
        self.callback, self.args = _do_nothing, ()

    def cancelled(self) -> bool:
        return self.is_cancelled

    def when(self) -> float:
        return self.when_due


def _do_nothing() -> None:
    pass


class SimLoop(asyncio.BaseEventLoop):
    """Runs one history."""

    def __init__(self, chance: random.Random, window: int) -> None:
        """A task may be overtaken by so many that are ready after it."""
        super().__init__()
        self._chance = chance
        self._window = window
        self._now = 0.0
        self._count = 0
        self._queue: list[tuple[float, int, _Handle]] = []
        self._timers: list[tuple[float, int, _Handle]] = []
        self.steps = 0
        self.failures: list[dict[str, Any]] = []
        self.set_exception_handler(self._failed)

    def time(self) -> float:
        return self._now

    def _failed(self, _: object, context: dict[str, Any]) -> None:
        if "was destroyed but it is pending" not in context["message"]:
            self.failures.append(context)

    def get_debug(self) -> bool:
        return False

    def create_task(
        self,
        coro: Any,
        *,
        name: object = None,
        context: Context | None = None,
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name, context=context)  # type: ignore[arg-type]
        realm = REALM.get() if context is None else context.get(REALM)
        if realm is not None:
            realm.tasks.append(task)
        return task

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> _Handle:
        handle = _Handle(callback, args, copy_context() if context is None else context)
        self._count = count = self._count + 1
        rank = float(count)
        if self._window and isinstance(getattr(callback, "__self__", None), asyncio.Task):
            rank += self._chance.random() * self._window
        heappush(self._queue, (rank, count, handle))
        return handle

    call_soon_threadsafe = call_soon

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> _Handle:
        timer = _Handle(callback, args, copy_context() if context is None else context, when)
        self._count = count = self._count + 1
        heappush(self._timers, (when, count, timer))
        return timer

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> _Handle:
        when = self._now + delay
        timer = _Handle(callback, args, copy_context() if context is None else context, when)
        self._count = count = self._count + 1
        heappush(self._timers, (when, count, timer))
        return timer

    def run_in_executor(
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Runs the function at once; its result comes a moment later."""
        future = self.create_future()
        try:
            result = func(*args)
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(result)
        return future

    def _run_until(self, task: asyncio.Task[Any]) -> None:
        """Runs all that comes until the task is done. All in one function: it is most of what the
        simulation itself takes."""
        queue, timers, realm_of = self._queue, self._timers, REALM
        pop, push = heappop, heappush
        now, steps = self._now, self.steps
        while not task.done():
            if not queue:
                if not timers:
                    raise Stuck("nothing is ready, and nothing is due")
                if timers[0][0] > now:
                    now = timers[0][0]
            now += TICK
            self._now = now
            while timers and timers[0][0] <= now:
                timer = pop(timers)[2]
                if not timer.is_cancelled:
                    self._count = count = self._count + 1
                    push(queue, (float(count), count, timer))
            if not queue:
                continue
            handle = pop(queue)[2]
            if handle.is_cancelled:
                continue
            context = handle.context
            realm = context.get(realm_of)
            if realm is not None:
                if realm.is_dead:
                    continue
                if realm.stands_until > now:
                    self._count += 1
                    push(timers, (realm.stands_until, self._count, handle))
                    continue
            self.steps = steps = steps + 1
            if steps > MAX_STEPS:
                raise Stuck("there is no end of it")
            try:
                context.run(handle.callback, *handle.args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                what = {"message": f"exception in {handle.callback!r}", "exception": error}
                self.call_exception_handler(what)

    def _write_to_self(self) -> None:
        pass

    def _process_events(self, event_list: object) -> None:
        pass

    def play(self, main: Coroutine[Any, Any, Any]) -> Any:
        """Runs until the coroutine returns, and returns what that does."""
        before = events._get_running_loop()
        assert before is None
        events._set_running_loop(self)
        try:
            task = self.create_task(main)
            self._run_until(task)
            return task.result()
        finally:
            events._set_running_loop(None)


def bury(realm: Realm, loop: SimLoop) -> None:
    """Ends what a dead process left, outside of any history, so that nothing is left to collect."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    events._set_running_loop(loop)
    try:
        _close(realm.tasks)
    finally:
        events._set_running_loop(None)
        sys.unraisablehook = hook
        realm.tasks.clear()


def _close(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        if not task.done():
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            # What it does in its end is nobody's business any more.
            with suppress(BaseException):
                task.get_coro().close()  # type: ignore[union-attr]
