"""What can be asked of the rules: one command for each thing that changes the store."""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b

from countermand.core.caller import Caller
from countermand.core.chronicle import Stretch
from countermand.core.keys import Key
from countermand.core.overdue import Chosen
from countermand.core.retention import Search
from countermand.core.states import ChargeState, OrderState, TaskState


@dataclass(frozen=True, slots=True)
class Command:
    """One thing to do in one namespace."""

    namespace: int


def digest(*said: object) -> bytes:
    """Returns 16 bytes that are equal if the same was said. It stands in stores."""
    return blake2b(repr(said).encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class NewTask:
    """Describes a task to create."""

    task_id: str
    group_id: str | None
    merchant: str
    labels: dict[str, str]
    expire_time: int | None = None
    checkout_id: str | None = None
    order_id: str | None = None


@dataclass(frozen=True, slots=True)
class CreateTask(Command):
    """Creates one task. Answers the task."""

    task: NewTask


@dataclass(frozen=True, slots=True)
class CreateGroup(Command):
    """Creates a group and its tasks, all or none. Answers a GroupCreated."""

    group_id: str
    closed: bool
    tasks: tuple[NewTask, ...]
    checkout_id: str | None = None
    order_id: str | None = None


@dataclass(frozen=True, slots=True)
class CreateCheckout(Command):
    """Creates a checkout and its tasks, which become its group. Answers a CheckoutCreated."""

    checkout_id: str
    cart_id: str | None
    group_id: str
    """The id of its group, if it has tasks."""
    snapshot: bytes
    line_items: bytes
    """The lines of the cart, if that is created too."""
    expire_time: int | None
    tasks: tuple[NewTask, ...]
    supersede: bool
    caller: Caller


@dataclass(frozen=True, slots=True)
class CompleteCheckout(Command):
    """Completes a checkout and closes its cart. Answers a CheckoutChanged."""

    checkout_id: str


@dataclass(frozen=True, slots=True)
class ChangeCart(Command):
    """Gives a cart new lines; a checkout that locks it is cancelled. Answers a CartChanged."""

    cart_id: str
    line_items: bytes
    caller: Caller


@dataclass(frozen=True, slots=True)
class CreateOrder(Command):
    """Creates an order and its tasks. Answers an OrderCreated."""

    order_id: str
    checkout_ids: tuple[str, ...]
    snapshot: bytes
    tasks: tuple[NewTask, ...]
    state: OrderState = OrderState.OPEN
    """Another than OPEN if the order has ended at its platform: then without tasks or checkouts."""


@dataclass(frozen=True, slots=True)
class UpdateOrder(Command):
    """Changes what a platform says of an order, closes it, or lists other checkouts.

    Answers an OrderChanged.
    """

    order_id: str
    merge: Callable[[bytes], bytes]
    """Returns the new snapshot from the present one."""
    checkout_ids: tuple[str, ...] | None
    """The checkouts to list; None leaves them as they are."""
    close: bool


@dataclass(frozen=True, slots=True)
class StartTask(Command):
    """Gives a task to an agent. Answers the task, with its new fence."""

    task_id: str
    agent_id: str
    lease_duration: int


@dataclass(frozen=True, slots=True)
class RenewLease(Command):
    """Renews an agent's lease. Answers whether the agent is known."""

    agent_id: str
    lease_duration: int


@dataclass(frozen=True, slots=True)
class BeginCharge(Command):
    """Permits an agent to take money. Answers the task."""

    task_id: str
    fence: int


@dataclass(frozen=True, slots=True)
class ReportCharge(Command):
    """Writes down what came of taking money. Answers the task."""

    task_id: str
    fence: int
    charge_state: ChargeState


@dataclass(frozen=True, slots=True)
class FinishTask(Command):
    """Ends a task as its agent says: COMPLETED, FAILED or CANCELLED. Answers the task."""

    task_id: str
    fence: int
    outcome: TaskState
    failure_message: str


@dataclass(frozen=True, slots=True)
class Cancel(Command):
    """What all cancels have in common. Answers a Cancelled."""

    target_id: str
    reason: str
    message: str
    request_id: str | None
    grace_period: int
    expected_version: int | None
    validate_only: bool
    on_behalf_of: str
    caller: Caller
    by_cart: bool = False
    """Whether `target_id` is a cart, and the target the checkout that locks it."""
    allow_missing: bool = False
    """Whether the target may be a task that is yet to be created."""

    def fingerprint(self) -> bytes:
        """Returns 16 bytes that are equal for equal requests: same method and same fields.

        Who called and in which trace is left out, so that a rotated key can retry.
        """
        return digest(
            type(self).__name__,
            self.by_cart,
            self.allow_missing,
            self.target_id,
            self.reason,
            self.message,
            self.grace_period,
            self.expected_version,
            self.on_behalf_of,
        )


@dataclass(frozen=True, slots=True)
class CancelTask(Cancel):
    """Cancels one task."""


@dataclass(frozen=True, slots=True)
class CancelGroup(Cancel):
    """Cancels all tasks of a group, and closes it."""


@dataclass(frozen=True, slots=True)
class CancelCheckout(Cancel):
    """Cancels a checkout with its tasks, and unlocks its cart."""


@dataclass(frozen=True, slots=True)
class CancelOrder(Cancel):
    """Cancels an order with its tasks, and those of its checkouts."""

    goods_left: Callable[[bytes], bool] = field(kw_only=True)
    """Whether goods have left, by the order's snapshot. It is asked with each cancel, not when the
    snapshot comes, since an operator may add words later."""


@dataclass(frozen=True, slots=True)
class Reap(Command):
    """Ends what is overdue and cancels what expired, at most `limit` tasks of each kind, or one
    larger checkout. Namespaces take turns in it, and each has its share. Answers a Reaped."""

    limit: int
    lease_time: int | None = None
    """By when, by the steady clock, a lease must have ended for its agent to be lost; None: by the
    batch's instant."""
    after: int = 0
    """With the namespace behind this one it begins."""
    chosen: Chosen | None = None
    """Looks for no more than this: what fails is found so, and passed by."""


@dataclass(frozen=True, slots=True)
class Purge(Command):
    """Removes what a search comes upon, as far as nothing keeps it, in any namespace.

    It goes in a batch of its own. Answers a Purged.
    """

    search: Search
    passes_by: bool = False
    """Whether to leave that be, and only say where to go on."""


@dataclass(frozen=True, slots=True)
class NoteClock(Command):
    """Writes down how long servers ran, and how the wall clock went meanwhile. No answer."""

    stretches: tuple[Stretch, ...]
    """All that is still to be known of it."""


@dataclass(frozen=True, slots=True)
class CreateKey(Command):
    """Stores a key. Answers the key."""

    key: Key


@dataclass(frozen=True, slots=True)
class RevokeKey(Command):
    """Revokes a key; a revoked one stays as it is. Answers the key."""

    key_id: str
    revoked_by: str = ""


@dataclass(frozen=True, slots=True)
class RotateKey(Command):
    """Stores a key that replaces another. Answers the new key."""

    key_id: str
    overlap: int
    """How long the old key is still accepted."""
    new_key_id: str
    secret_hash: bytes = field(repr=False)
    created_by: str = ""


@dataclass(frozen=True, slots=True)
class NoteKeyUses(Command):
    """Writes down when keys were last used. No answer."""

    times: dict[str, int]
    """The last use of each key, by its id."""
