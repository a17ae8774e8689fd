"""A server that lives as long as the demo."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from countermand.cli.failures import NOT_REACHED, Failure

_START_TIMEOUT = 30.0
_STOP_TIMEOUT = 5.0
_KEY = re.compile(r"\bcmd_\S+")
_LISTENING = "listening on "


@asynccontextmanager
async def own_server() -> AsyncIterator[tuple[str, str]]:
    """Gives the HOST:PORT and the first key of a new server; it and its store go at the end.

    Raises Failure with the server's last words if it does not start.
    """
    # What the environment says about servers and stores is not meant for this one.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COUNTERMAND_")}
    with TemporaryDirectory(prefix="countermand-demo-") as folder:
        arguments = ["--listen", "127.0.0.1:0", "--store", f"sqlite:///{Path(folder) / 'demo.db'}"]
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "countermand", "serve", *arguments, "--drain-timeout", "2s"],
            stdout=PIPE,
            stderr=PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the demo alone, which then stops the server
        )
        log = _Log(process)
        try:
            async with asyncio.timeout(_START_TIMEOUT):
                address, key = await asyncio.gather(_read_address(process, log), log.key())
            yield address, key
        except TimeoutError:
            raise Failure(f"the server did not start in time\n{log}", NOT_REACHED) from None
        finally:
            try:
                await _stop(process)
            finally:
                log.close()


class _Log:
    """Reads the server's stderr to its end, so that the server never waits for a reader."""

    def __init__(self, process: Process) -> None:
        self._lines: deque[str] = deque(maxlen=20)
        self._key: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        assert process.stderr is not None
        self._task = asyncio.create_task(self._read(process.stderr))

    async def _read(self, stderr: asyncio.StreamReader) -> None:
        async for raw in stderr:
            line = raw.decode(errors="replace").rstrip()
            found = _KEY.search(line)
            if found and not self._key.done():
                self._key.set_result(found[0])
            else:
                self._lines.append(line)

    async def key(self) -> str:
        """Waits for the line with the first key."""
        return await self._key

    async def end(self) -> None:
        """Waits until the server has said all."""
        await self._task

    def close(self) -> None:
        self._task.cancel()

    def __str__(self) -> str:
        return "\n".join(self._lines)


async def _read_address(process: Process, log: _Log) -> str:
    assert process.stdout is not None
    async for raw in process.stdout:
        line = raw.decode(errors="replace").rstrip()
        if line.startswith(_LISTENING):
            return line.removeprefix(_LISTENING)
    await log.end()
    raise Failure(f"the server ended before it was ready\n{log}", NOT_REACHED)


async def _stop(process: Process) -> None:
    try:
        if process.returncode is None:
            # Not process.terminate(): it would collect a process that has just ended, and the
            # event loop would complain that it is missing.
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
        async with asyncio.timeout(_STOP_TIMEOUT):
            await process.wait()
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:  # it hangs, or the user did not want to wait for it
            process.kill()
            await process.wait()
