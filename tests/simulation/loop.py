"""An event loop in virtual time: nothing waits, and a seed decides what comes next.

When nothing is ready, the clock jumps to the next timer. Of what is ready, tasks overtake each
other by chance, within a window that is drawn: every order of their awaits that a machine could
bring about has its chance. What is no step of a task keeps its order, as asyncio promises.
"""

import asyncio
import heapq
import random
import sys
from asyncio import events
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from typing import Any

TICK = 1e-6
"""Seconds that pass with each step, so that no two have the same time."""
MAX_STEPS = 3_000_000
"""After so many steps a history counts as one that never ends."""


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


class SimLoop(asyncio.BaseEventLoop):
    """Runs one history."""

    def __init__(self, chance: random.Random, window: int) -> None:
        """A task may be overtaken by so many that are ready after it."""
        super().__init__()
        self._chance = chance
        self._window = window
        self._now = 0.0
        self._count = 0
        self._queue: list[tuple[float, int, events.Handle]] = []
        self._timers: list[tuple[float, int, events.Handle]] = []
        self.steps = 0
        self.failures: list[dict[str, Any]] = []
        self.set_exception_handler(self._failed)
        self.set_task_factory(_make_task)

    def time(self) -> float:
        return self._now

    def _failed(self, _: object, context: dict[str, Any]) -> None:
        if "was destroyed but it is pending" not in context["message"]:
            self.failures.append(context)

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> events.Handle:
        handle = events.Handle(callback, args, self, context)
        self._count += 1
        rank = float(self._count)
        if self._window and isinstance(getattr(callback, "__self__", None), asyncio.Task):
            rank += self._chance.random() * self._window
        heapq.heappush(self._queue, (rank, self._count, handle))
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> events.Handle:
        return self.call_soon(callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> events.TimerHandle:
        timer = events.TimerHandle(when, callback, args, self, context)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, timer))
        return timer

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> events.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: events.TimerHandle) -> None:
        pass

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

    def _run_once(self) -> None:
        queue, timers = self._queue, self._timers
        if not queue:
            if not timers:
                raise Stuck("nothing is ready, and nothing is due")
            self._now = max(self._now, timers[0][0])
        self._now += TICK
        while timers and timers[0][0] <= self._now:
            _, _, timer = heapq.heappop(timers)
            if not timer._cancelled:
                self._count += 1
                heapq.heappush(queue, (float(self._count), self._count, timer))
        if not queue:
            return
        handle = heapq.heappop(queue)[2]
        if handle._cancelled:
            return
        realm = handle._context.get(REALM)
        if realm is not None:
            if realm.is_dead:
                return
            if realm.stands_until > self._now:
                self._count += 1
                heapq.heappush(timers, (realm.stands_until, self._count, handle))
                return
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise Stuck("there is no end of it")
        handle._run()

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
            while not task.done():
                self._run_once()
            return task.result()
        finally:
            events._set_running_loop(None)


def _make_task(
    loop: Any, coroutine: Coroutine[Any, Any, Any], context: Context | None = None
) -> asyncio.Task[Any]:
    task = asyncio.Task(coroutine, loop=loop, context=context)
    realm = (context or copy_context()).get(REALM)
    if realm is not None:
        realm.tasks.append(task)
    return task


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
