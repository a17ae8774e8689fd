"""What every row is given: how much to measure, the generator, and the servers."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks import postgres, servers
from benchmarks.generator import FULL, OPEN, Generator, Run, Shape
from benchmarks.servers import Server

EMPTY = "/benchmarks.Floor/Empty"
WARM_UP_CALLS = 500


@dataclass
class Stage:
    """One run of the benchmark. Its servers start when they are first asked for."""

    folder: Path
    """On the disk to measure on; it goes when the run ends."""
    cache: Path
    """For what takes long to make; it stays."""
    rounds: int
    calls: int
    smoke: bool
    stack: ExitStack
    against: Path | None = None
    """The package as another revision has it, to be measured too."""
    _started: int = field(default=0)

    def size(self, full: int, smoke: int) -> int:
        """Answers how many: all, or the few that show that it works."""
        return smoke if self.smoke else full

    @cached_property
    def generator(self) -> Generator:
        return Generator(self.folder)

    @cached_property
    def floor(self) -> Server:
        """The empty RPC, warm."""
        server = self.stack.enter_context(servers.floor(self.new_folder()))
        self.generator.send(server, EMPTY, [b""], repeat=WARM_UP_CALLS)
        return server

    @cached_property
    def collector(self) -> Server:
        return self.stack.enter_context(servers.collector(self.new_folder()))

    @cached_property
    def server(self) -> Server:
        """Our server with its defaults, for all rows that need no other."""
        return self.stack.enter_context(self.another())

    def another(
        self, *, collector: str | None = None, **settings: Any
    ) -> AbstractContextManager[Server]:
        """Our server, one more; for the settings see servers.countermand."""
        address = collector or self.collector.address
        return servers.countermand(self.new_folder(), address, **settings)

    def new_folder(self) -> Path:
        """Answers a folder for the files of one process; it is not there yet."""
        self._started += 1
        return self.folder / str(self._started)

    def empty(self, calls: int, shape: Shape = FULL) -> Run:
        """Sends empty calls to the empty RPC."""
        return self.generator.send(self.floor, EMPTY, [b""], repeat=calls, shape=shape)

    def empty_at(self, rate: float, calls: int) -> Run:
        """Sends empty calls to the empty RPC evenly, so many a second."""
        return self.generator.send(self.floor, EMPTY, [b""] * calls, shape=OPEN, rate=rate)

    def new_database(self) -> str:
        """The URL of an empty database of PostgreSQL."""
        return self._cluster.url(self._cluster.create_database())

    @cached_property
    def _cluster(self) -> postgres.Cluster:
        return self.stack.enter_context(postgres.durable_cluster())

    def alternate(
        self,
        sides: Mapping[str, Callable[[], Run]],
        *,
        after_round: Callable[[], None] = lambda: None,
    ) -> dict[str, list[Run]]:
        """Runs each side once a round, so that whatever else the machine does meets all alike."""
        runs: dict[str, list[Run]] = {name: [] for name in sides}
        for number in range(1, self.rounds + 1):
            for name, run in sides.items():
                runs[name].append(run())
            after_round()
            rates = ", ".join(f"{name} {runs[name][-1].rate:,.0f}/s" for name in sides)
            self.say(f"round {number}: {rates}")
        return runs

    def say(self, text: str) -> None:
        """Tells the reader who waits."""
        print(f"  {text}", flush=True)
