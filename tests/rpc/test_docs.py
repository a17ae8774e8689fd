"""README and the pages of docs/, done as written: every command block, and what it prints.

They are read in the order in which README lists them, in the shells that they name, so the blocks
of TLS and of keys come one after the other in one shell. Each shell is a bash on pipes in a fresh
folder. `make run` and `make demo` are the commands behind these targets, run in that folder; the
port 50051 is a free one in what is run, and put back in what is printed; the key to be put in is
the one that the server printed.
"""

import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.pages import pages
from tests.support.pages.session import Session
from tests.support.ports import free_port


@pytest_asyncio.fixture
async def reader(tmp_path: Path) -> AsyncIterator[Session]:
    """A reader with a folder of their own, and every tool that the pages name."""
    beside = Path(sys.executable).parent
    missing = [tool for tool in ("bash", "make", "openssl") if shutil.which(tool) is None]
    missing += [tool for tool in ("countermand", "grpcurl", "buf") if not (beside / tool).exists()]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")
    async with Session(tmp_path, free_port()) as session:
        yield session


@pytest.mark.timeout(180)
async def test_every_command_of_the_pages_does_what_they_show(reader: Session) -> None:
    await reader.read(pages())
