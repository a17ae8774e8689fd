"""The shells of a reader: bash on pipes, in the order in which the pages name them."""

import asyncio
import os
import shlex
import signal
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

BLOCK_SECONDS = 40
"""How long a block may take, on a busy machine."""


class Shell:
    """One bash. What a reader pastes into it is run in its folder, one block after the other."""

    def __init__(self, process: Process, folder: Path, inside: Path) -> None:
        """`inside` is what the folder is called where the shell is."""
        self._process = process
        self._folder = folder
        self._inside = inside
        self._mark = uuid4().hex
        self._changed = asyncio.Event()
        self._reading = asyncio.create_task(self._read())
        self._printed = ""
        self._seen = 0
        self.is_busy = False

    @classmethod
    async def open(
        cls, folder: Path, environment: Mapping[str, str], prelude: str, root: Path | None = None
    ) -> "Shell":
        """Starts one, by chroot if the folder is in a root, and runs the prelude in it."""
        inside = folder if root is None else Path("/") / folder.relative_to(root)
        entrance = [] if root is None else ["chroot", str(root)]
        process = await asyncio.create_subprocess_exec(
            *[*entrance, "bash", "--noprofile", "--norc"],
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        shell = cls(process, folder, inside)
        # Ctrl-C ends what runs in the foreground, and not the shell.
        shell._send(f"cd {shlex.quote(str(inside))}\nset -E\ntrap : INT\n")
        shell._send(f"trap '__failed=$?' ERR\n{prelude}\n")
        return shell

    def _send(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while data := await self._process.stdout.read(65536):
            self._printed += data.decode()
            self._changed.set()

    @property
    def everything(self) -> str:
        """All that it ever printed."""
        return self._printed

    @property
    def unseen(self) -> str:
        """What it printed since that was last asked for with `see`."""
        return self._printed[self._seen :].partition(self._mark)[0]

    def see(self) -> None:
        """Takes what the present block printed until now as seen."""
        self._seen += len(self.unseen)

    async def wait_until(self, is_so: Callable[[], bool]) -> bool:
        """Waits until what is printed makes it so. Returns whether it does."""
        with suppress(TimeoutError):
            async with asyncio.timeout(BLOCK_SECONDS):
                while not is_so():
                    self._changed.clear()
                    await self._changed.wait()
        return is_so()

    def start(self, text: str) -> None:
        """Begins a block. It ends with a mark behind what it printed."""
        name = f"block-{uuid4().hex}"
        (self._folder / name).write_text(text)
        self.is_busy = True
        # Its commands read nothing of what is still to be run.
        self._send(
            f"__failed=0; . {shlex.quote(str(self._inside / name))} </dev/null;"
            f' printf "%s %s.\\n" {self._mark} "$__failed"\n'
        )

    async def end(self) -> tuple[str, int] | None:
        """Waits for the end of the block. Returns what it printed, and the status of what failed.

        None if it does not end.
        """
        printed = self._printed[self._seen :]

        def ended() -> bool:
            nonlocal printed
            printed = self._printed[self._seen :]
            return f"{self._mark} " in printed and printed.endswith(".\n")

        if not await self.wait_until(ended):
            return None
        self.is_busy = False
        self._seen += len(printed)
        out, _, status = printed.partition(self._mark)
        return out, int(status.strip().rstrip("."))

    def interrupt(self) -> None:
        """Presses Ctrl-C."""
        os.killpg(self._process.pid, signal.SIGINT)

    async def close(self) -> None:
        """Ends it, and all that runs in it."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        await self._reading
