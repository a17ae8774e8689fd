"""Requests that a fuzzer bends until they reach lines of the service not reached before.

`python -m tests.support.guided_fuzz FOLDER -runs=N` begins with a valid request of every method.
It ends with another status than 0 as soon as one is answered with a fault.
"""

import asyncio
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["countermand"]):
    from tests.support.in_process import InProcess
    from tests.support.inside import inside

from tests.support.raw import RPCS

METHODS = tuple(rpc for rpc in RPCS.values() if rpc.name not in ("CreateKey", "RotateKey"))
"""Without those that make a key, since all keys are kept in memory."""


def corpus(folder: Path) -> Path:
    """Writes what to begin with: the number of a method, and a request of it."""
    folder.mkdir()
    for number, rpc in enumerate(METHODS):
        (folder / rpc.name).write_bytes(bytes([number]) + rpc.request.SerializeToString())
    return folder


def main(folder: Path, *flags: str) -> None:
    with asyncio.Runner() as runner:
        serving = inside(folder)
        server = runner.run(serving.__aenter__())
        calls = InProcess(server)

        def call(data: bytes) -> None:
            rpc = METHODS[data[0] % len(METHODS)] if data else METHODS[0]
            runner.run(calls.call(rpc, data[1:], server.key))

        atheris.Setup([sys.argv[0], str(corpus(folder / "corpus")), *flags], call)
        atheris.Fuzz()  # ends the process


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
