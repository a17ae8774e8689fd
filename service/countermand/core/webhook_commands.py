"""What can be asked of the rules about webhooks."""

from dataclasses import dataclass, field

from countermand.core.commands import Command
from countermand.core.webhooks import Delivery, Health, Webhook, WebhookState


@dataclass(frozen=True, slots=True)
class CreateWebhook(Command):
    """Stores an endpoint. Answers the webhook."""

    webhook: Webhook


@dataclass(frozen=True, slots=True)
class UpdateWebhook(Command):
    """Changes what the owner says of an endpoint; None leaves it as it is. Answers the webhook."""

    webhook_id: str
    name: str | None = None
    url: str | None = None
    event_types: tuple[str, ...] | None = None
    state: WebhookState | None = None
    """ENABLED or DISABLED."""


@dataclass(frozen=True, slots=True)
class DeleteWebhook(Command):
    """Removes an endpoint with its deliveries. No answer."""

    webhook_id: str


@dataclass(frozen=True, slots=True)
class RotateSecret(Command):
    """Gives an endpoint a new secret. Answers the webhook."""

    webhook_id: str
    overlap: int
    """How long the secret before it signs, too."""
    sealed: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SendTest(Command):
    """Sends a `webhook.test` to one endpoint, once. Answers the delivery."""

    webhook_id: str


@dataclass(frozen=True, slots=True)
class Redeliver(Command):
    """Sends a notice to an endpoint again, from now on by a new schedule. Answers the delivery."""

    webhook_id: str
    number: int
    time: int
    """When the notice was committed: another one at its place is not what was asked for."""


@dataclass(frozen=True, slots=True)
class NoteOutcomes(Command):
    """Writes down what became of tries at one endpoint. Answers the webhook; None if that is gone,
    or another server serves it by now, and then nothing is written down."""

    of: int
    """The namespace of the endpoint; the command's own is ours."""
    webhook_id: str
    epoch: int
    cursor: int
    deliveries: tuple[Delivery, ...]
    health: Health
    missed: int
    claim: int = 0
    """By which claim the endpoint was served."""


@dataclass(frozen=True, slots=True)
class PurgeNotices(Command):
    """Removes what of one namespace's outbox and deliveries nobody needs any more, or is too old.
    Answers a PurgedNotices."""

    of: int
    before: int
    """What was committed then or earlier is dropped, and counted as missed."""
    ended_before: int
    """Deliveries that ended then or earlier are removed."""
    limit: int


@dataclass(frozen=True, slots=True)
class PurgedNotices:
    """The answer to PurgeNotices."""

    removed: int
    missed: int
    more: bool
