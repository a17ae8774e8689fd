"""The settling of refunds: what is asked, and what is answered."""

from dataclasses import dataclass

from countermand.core.commands import Command, digest
from countermand.core.records import Task
from countermand.core.states import RefundState


@dataclass(frozen=True, slots=True)
class SettleRefund(Command):
    """Writes down what became of a refund that is required. Answers a Settled."""

    task_id: str
    outcome: RefundState
    """REFUNDED or NOT_OWED."""
    amount: int | None
    """In minor units of the currency."""
    currency: str
    note: str
    request_id: str | None
    settled_by: str
    """The key_id of the call."""

    def fingerprint(self) -> bytes:
        """Returns 16 bytes that are equal for equal requests, whoever calls."""
        said = (self.task_id, self.outcome.value, self.amount, self.currency, self.note)
        return digest(type(self).__name__, *said)


@dataclass(frozen=True, slots=True)
class Settled:
    """The answer to SettleRefund."""

    task: Task
    """As it is now."""
    replayed: bool
