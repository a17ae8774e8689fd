"""What the demo shows: a live table on a terminal, else one line for each thing that happens."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from countermand.cli.output import NONE, STYLES, plain, show, word
from countermand.v1.task_pb2 import CancelProof, Task, TaskState


@dataclass
class _Row:
    merchant: str
    task: Task = field(default_factory=Task)
    after_cancel: dict[str, float] = field(default_factory=dict)
    """When each state was heard of, in milliseconds since the cancel was sent."""

    def cells(self) -> list[Text]:
        state = word(TaskState, self.task.state)
        proof = word(CancelProof, self.task.cancel_proof)
        heard = " → ".join(f"{after:.0f}" for after in self.after_cancel.values())
        words = [self.merchant, self.task.agent_id or NONE, state, str(self.task.version), proof]
        cells = [Text(plain(text)) for text in [*words, f"{heard} ms" if heard else NONE]]
        cells[2].stylize(STYLES.get(state, ""))
        return cells


class Board:
    """The tasks of the demo as they were last heard of."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, markup=False, emoji=False)
        self._rows: dict[str, _Row] = {}
        self._cancel_sent: float | None = None

    def expect(self, merchants: Mapping[str, str]) -> None:
        """Makes a row for each task id and its merchant."""
        self._rows = {task_id: _Row(merchant) for task_id, merchant in merchants.items()}

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Shows the table while the block runs, if there is a terminal to show it on."""
        if not self._console.is_terminal:
            yield
            return
        with Live(console=self._console, get_renderable=self._table, refresh_per_second=12):
            yield

    def say(self, text: str, style: str = "") -> None:
        """Prints one line, above the table."""
        if self._console.is_terminal:
            self._console.print(Text(plain(text), style), soft_wrap=True)
        else:
            show(Text(text, style))

    def cancel_is_sent(self) -> None:
        """Times are counted from now on."""
        self._cancel_sent = time.monotonic()

    def since_cancel(self) -> float:
        """Milliseconds since the cancel was sent; 0 before it was."""
        if self._cancel_sent is None:
            return 0.0
        return (time.monotonic() - self._cancel_sent) * 1000

    def hear(self, task: Task) -> None:
        """Takes in one version of a task."""
        row = self._rows[task.task_id]
        row.task = task
        if self._cancel_sent is not None:
            row.after_cancel[word(TaskState, task.state)] = self.since_cancel()
        if not self._console.is_terminal:
            merchant, agent, state, version, proof, _ = map(str, row.cells())
            show(
                f"{self.since_cancel():6.0f} ms  {merchant:<20}  {state:<10}  version {version}"
                f"  proof {proof}  {agent}"
            )

    def _table(self) -> Table:
        table = Table(title="one checkout, three merchants", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for column, width in (("merchant", 20), ("agent", 12), ("state", 10), ("v", 1)):
            table.add_column(column, min_width=width)
        table.add_column("proof", min_width=12)
        table.add_column("after cancel", min_width=13, justify="right")
        for row in self._rows.values():
            table.add_row(*row.cells())
        return table
