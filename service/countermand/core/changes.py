"""What commands change, and what a batch of them has to save."""

from countermand.core.cancellations import Cancellation, NewJoin, RequestId
from countermand.core.chronicle import Stretch
from countermand.core.keys import Key
from countermand.core.log import Event, LoggedRecord, RecordEvent
from countermand.core.records import Agent, Cart, Holder, Target, Task
from countermand.core.retention import Gone
from countermand.core.states import TaskState
from countermand.core.webhook_rows import WebhookChanges
from countermand.core.webhooks import Notice

Id = tuple[int, str]
"""A namespace, and an id in it."""
Counts = dict[TaskState, int]
"""How many tasks are in each state."""

KINDS = (
    "tasks",
    "holders",
    "carts",
    "agents",
    "cancellations",
    "request_ids",
    "keys",
    "positions",
)
"""What rows and changes hold under the same names."""


class Changes:
    """What commands change: the last state of each row, and every event in order."""

    def __init__(self) -> None:
        self.tasks: dict[Id, Task] = {}
        self.holders: dict[Target, Holder] = {}
        self.carts: dict[Id, Cart] = {}
        self.agents: dict[Id, Agent] = {}
        self.cancellations: dict[Id, Cancellation] = {}
        self.request_ids: dict[Id, RequestId] = {}
        self.keys: dict[str, Key] = {}
        self.positions: dict[int, int] = {}
        self.events: list[Event] = []
        self.attached: list[Event] = []
        """The tasks that came under an order with their checkout, in order; no versions of them."""
        self.attach_seqs: dict[tuple[int, str, str], int] = {}
        """By namespace, order and checkout: the place in the log after which their tasks came."""
        self.joins: list[NewJoin] = []
        """Those whose cancellations have them already."""
        self.gone: list[Gone] = []
        """What is removed, after all else is saved."""
        self.counts: dict[Target, Counts] = {}
        """Holders whose tasks an answer counts. The store fills it in when all is saved."""
        self.clock_stretches: tuple[Stretch, ...] = ()
        """How the wall clock went, in place of what was kept of that; empty if that stays."""
        self.webhooks: WebhookChanges | None = None
        """What is changed of webhooks, if anything is."""


class Saves(Changes):
    """What a batch has to save."""

    def __init__(self) -> None:
        super().__init__()
        self.created: set[Id] = set()
        """Which of the tasks are new."""
        self.found: dict[Id, Task] = {}
        """The others, as the batch found them."""
        self.given: set[Id] = set()
        """Which of the tasks were given to an agent."""
        self.to_log: list[LoggedRecord] = []
        """Checkouts and orders with a new version, and cancellations that were accepted or have
        ended: those of the last command, before they have their places in the log."""
        self.records: list[RecordEvent] = []
        """The same of all commands, with their places."""
        self.accepted: set[Id] = set()
        """Which of the cancellations are new."""
        self.notices: list[Notice] = []
        """What is sent to endpoints, in order."""
        self.outboxes: dict[int, int] = {}
        """By namespace: the number of its last notice."""
