"""A reader who does what the pages say, block by block, in the shells that they name.

The shells are bash on pipes in a fresh folder, in which `.venv` leads to this Python's. What
differs from what a page says: `make` runs the command behind the target, as the Makefile has it, in
that folder; the port 50051 is a free one; and the key to be put in is the one that was printed.
"""

import os
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.pages import PROJECT
from tests.support.pages.blocks import Block, parse
from tests.support.pages.output import Expected
from tests.support.pages.shells import Shell

PORT = "50051"
KEY = "cmd_sandbox_PUT_YOURS_HERE"

_PRINTED_KEY = re.compile(r"^cmd_sandbox_[0-9a-f]{16}_\S+$", re.MULTILINE)
_STRIPPED = ("COUNTERMAND_", "GRPC_", "OTEL_", "MAKE", "MFLAGS", "ARGS")
_MAKE = """make() (
    recipe=$(command make -s -n -C {project} INSTALLED= "$@") && eval "$recipe"
)"""


class WrongPage(Exception):
    """A page whose block does not do what it says."""

    def __init__(self, block: Block, what: str, printed: str = "") -> None:
        shown = f"\n--- printed ---\n{printed}" if printed else ""
        super().__init__(f"{block.place}: {what}{shown}")


class Session:
    """One reader."""

    def __init__(self, folder: Path, port: int, root: Path | None = None) -> None:
        """With a root, in which the folder is, its shells are in there, with what is in there."""
        self._folder = folder
        self._port = str(port)
        self._root = root
        self._shells: dict[str, Shell] = {}
        if root is None:
            (folder / ".venv").symlink_to(sys.prefix)
            bare = {k: v for k, v in os.environ.items() if not k.startswith(_STRIPPED)}
        else:
            bare = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        address = f"127.0.0.1:{port}"
        self._environment = bare | {"COUNTERMAND_LISTEN": address, "COUNTERMAND_SERVER": address}

    async def __aenter__(self) -> "Session":
        return self

    async def __aexit__(self, *_: object) -> None:
        for shell in self._shells.values():
            await shell.close()

    async def read(self, pages: Mapping[str, str]) -> None:
        """Does what the pages say, in order. Raises WrongPage at the first that is not so."""
        for page, text in pages.items():
            blocks = parse(page, text)
            for block in blocks:
                await self._do(block, next((b for b in blocks if b.is_beneath is block), None))

    async def _do(self, block: Block, beneath: Block | None) -> None:
        if block.language == "python":
            (self._folder / block.words["file"]).write_text(self._put_in(block.text))
        elif block.language == "bash" and "not-run" not in block.words:
            for name in block.shells:
                await self._run(block, await self._shell(name), beneath)
        elif block.language == "output" and "shell" in block.words:
            await self._compare_later(block)

    async def _shell(self, name: str) -> Shell:
        if name not in self._shells:
            prelude = _MAKE.format(project=shlex.quote(str(PROJECT))) if self._root is None else ""
            self._shells[name] = await Shell.open(
                self._folder, self._environment, prelude, self._root
            )
        return self._shells[name]

    @property
    def printed(self) -> str:
        """All that its shells ever printed: answers, errors and logs."""
        return "".join(shell.everything for shell in self._shells.values())

    def _put_in(self, text: str) -> str:
        keys = _PRINTED_KEY.findall(self.printed)
        text = text.replace(KEY, keys[0]) if keys else text
        return text.replace(f":{PORT}", f":{self._port}")

    def _taken_out(self, printed: str) -> str:
        return printed.replace(f":{self._port}", f":{PORT}")

    async def _run(self, block: Block, shell: Shell, beneath: Block | None) -> None:
        if "ctrl-c" in block.words and shell.is_busy:
            shell.interrupt()
            if await shell.end() is None:
                raise WrongPage(block, "what ran before does not end by Ctrl-C", shell.unseen)
        if shell.is_busy:
            raise WrongPage(block, "its shell is busy with the block before", shell.unseen)
        shell.see()
        shell.start(self._put_in(block.text))
        if "keeps-running" in block.words:
            assert beneath is not None
            await self._compare_so_far(beneath, shell)
            return
        ended = await shell.end()
        if ended is None:
            raise WrongPage(block, "it does not end", shell.unseen)
        printed, status = self._taken_out(ended[0]), ended[1]
        if (status != 0) != ("fails" in block.words):
            raise WrongPage(block, f"the status of a command is {status}", printed)
        if beneath is not None:
            missing = Expected(beneath.text).missing(printed)
            if missing is not None:
                raise WrongPage(beneath, f"this was not printed:\n{missing}", printed)

    async def _compare_so_far(self, block: Block, shell: Shell) -> None:
        """Waits for what is shown, while the commands go on."""
        expected = Expected(block.text)

        def missing() -> str | None:
            return expected.missing(self._taken_out(shell.unseen), whole=False)

        if not await shell.wait_until(lambda: missing() is None):
            raise WrongPage(block, f"this was not printed:\n{missing()}", shell.unseen)
        shell.see()

    async def _compare_later(self, block: Block) -> None:
        """Compares what was printed by commands that went on."""
        shell = await self._shell(block.words["shell"])
        if "ends" not in block.words:
            await self._compare_so_far(block, shell)
            return
        ended = await shell.end() if shell.is_busy else None
        if ended is None:
            raise WrongPage(block, "nothing ends there", shell.unseen)
        printed, status = self._taken_out(ended[0]), ended[1]
        missing = Expected(block.text).missing(printed)
        if missing is not None or status:
            raise WrongPage(block, f"status {status}; this was not printed:\n{missing}", printed)
