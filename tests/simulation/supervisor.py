"""Starts the server of a history, and starts it again whenever it died or left."""

import asyncio
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tests.chaos.robustness.checks.verdict import Promise
from tests.simulation.endpoints import SimSender
from tests.simulation.server import Clocks, Life
from tests.simulation.template import lay_out

if TYPE_CHECKING:
    from tests.simulation.play import Play


class Supervisor:
    """What starts the processes of one history, one after another."""

    def __init__(self, play: "Play", folder: Path) -> None:
        self._play = play
        self._folder = folder

    async def supervise(self) -> None:
        """Starts the server, and starts it again whenever it left."""
        play = self._play
        path = self._folder / "0" / "countermand.db"
        path.parent.mkdir()
        lay_out(path, play.script.seed)
        vain = 0
        while not play.ended:
            life = self._begin(path)
            waiting = asyncio.create_task(life.ready.wait())
            leaving = asyncio.create_task(life.left.wait())
            await asyncio.wait([waiting, leaving], return_when=asyncio.FIRST_COMPLETED)
            ready = play.loop.time()
            if life.ready.is_set():
                play.note("the server is ready")
                vain = 0
            await leaving
            waiting.cancel()
            if life.ready.is_set():
                play.history.lives.append((ready, play.loop.time()))
            else:
                vain += 1
            play.note(f"the server left: {life.failure!r}")
            if vain > 8:
                play.fail(Promise.GOES_ON, f"the server does not start: {life.failure!r}")
                return
            await asyncio.sleep(0.05 + 0.3 * play.chance.random())
            path = self._as_killed(path)

    def _begin(self, path: Path) -> Life:
        play = self._play
        life = Life(
            len(play.lives),
            path,
            play.knobs,
            None if play.script.retention is None else int(play.script.retention * 1e6),
            Clocks(play.wall, lambda: int(play.loop.time() * 1e9) + 10**15),
            play.trouble,
            play.address,
            play.hear,
            play.before_purge,
            play.before_write,
            SimSender(play.endpoints, play.address.delay),
        )
        play.endpoints.restarted()
        play.lives.append(life)
        play.note("the server starts")
        return life

    def _as_killed(self, path: Path) -> Path:
        """Copies the files of a process that is gone, as it left them. Returns the copy."""
        to = self._folder / str(len(self._play.lives))
        to.mkdir()
        for ending in ("", "-wal", "-shm"):
            source = Path(f"{path}{ending}")
            if source.exists():
                shutil.copyfile(source, to / source.name)
        return to / path.name
