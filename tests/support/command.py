"""Programs as a person runs them: `countermand`, and the tools beside this Python."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support import warm


class Result(NamedTuple):
    status: int | None
    out: str
    err: str


class Command:
    """Runs `countermand` as a user with this environment."""

    def __init__(self, **environment: str) -> None:
        bare = {k: v for k, v in os.environ.items() if not k.startswith("COUNTERMAND_")}
        self.environment = bare | environment

    async def start(self, *arguments: str, **environment: str) -> Any:
        return await warm.start(arguments, self.environment | environment)

    async def __call__(self, *arguments: str, **environment: str) -> Result:
        return await finish(await self.start(*arguments, **environment))


async def finish(process: Any) -> Result:
    out, err = await process.communicate()
    return Result(process.returncode, out.decode(), err.decode())


async def read_line(process: Any) -> str:
    return (await process.stdout.readline()).decode()


def program(name: str) -> str:
    """Finds a tool beside this Python, or in the path."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found
