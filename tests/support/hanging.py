"""Starts the server with a store that hangs: `python -m tests.support.hanging open,close serve …`.

It hangs in a thread that nothing ends, as it would in the disk. What hangs is replaced here and
nowhere else: the product has no switch for it.
"""

import asyncio
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from countermand.cli.main import app_entry
from countermand.store.sqlite import SqliteStore


async def _hang(*_given: Any) -> None:
    print("hangs", file=sys.stderr, flush=True)
    await asyncio.to_thread(time.sleep, 3600)


if __name__ == "__main__":
    for method in sys.argv.pop(1).split(","):
        setattr(SqliteStore, method, _hang)
        if find_spec("psycopg"):
            setattr(import_module("countermand.store.postgres.store").PostgresStore, method, _hang)
    app_entry()
