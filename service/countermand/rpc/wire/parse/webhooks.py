"""What is asked about webhooks."""

import re
from collections.abc import Sequence

from countermand.core.egress import wrong_in_url
from countermand.core.errors import not_found
from countermand.core.webhook_commands import Redeliver, UpdateWebhook
from countermand.core.webhooks import EVENT_TYPES, DeliveryState, Secret, Webhook, WebhookState
from countermand.rpc.wire.enums import DELIVERY_STATES, WEBHOOK_STATES, by_number
from countermand.rpc.wire.form import DAY, Form
from countermand.rpc.wire.parse.masks import read_paths
from countermand.v1 import webhook_service_pb2 as pb

MAX_NAME = 128
DEFAULT_OVERLAP = DAY
MAX_OVERLAP = 30 * DAY
_STATES = by_number(DELIVERY_STATES)
_SETTABLE = by_number(
    {state: WEBHOOK_STATES[state] for state in (WebhookState.ENABLED, WebhookState.DISABLED)}
)
_MESSAGE_ID = re.compile(r"msg_([0-9]{1,18})_([0-9]{1,18})_([0-9a-f]{1,15})", re.ASCII)
SANDBOX = "sandbox"


class Places:
    """Where endpoints of a tenant may be."""

    def __init__(self, environment: str, allow_loopback: bool) -> None:
        self._sandbox = environment == SANDBOX
        self._loopback = allow_loopback and self._sandbox

    def read(self, form: Form, field: str, url: str) -> str:
        """Reads where an endpoint is."""
        wrong = wrong_in_url(url, sandbox=self._sandbox, loopback=self._loopback)
        if wrong:
            form.reject(field, wrong)
        return url


def parse_create_webhook(
    request: pb.CreateWebhookRequest, namespace: int, places: Places, sealed: str
) -> Webhook:
    """Reads a new endpoint."""
    form = Form()
    webhook = Webhook(
        namespace=namespace,
        environment="",
        webhook_id="",
        name=form.text("name", request.name, MAX_NAME),
        url=places.read(form, "url", request.url),
        event_types=_event_types(form, "event_types", request.event_types),
        secrets=(Secret(sealed),),
    )
    form.check()
    return webhook


def parse_update_webhook(
    request: pb.UpdateWebhookRequest, namespace: int, places: Places
) -> UpdateWebhook:
    """Reads what of an endpoint changes."""
    form = Form()
    given = request.webhook
    webhook_id = form.uuid("webhook.webhook_id", given.webhook_id)
    paths = request.update_mask.paths
    read_paths(form, paths)
    if not paths:
        form.reject("update_mask", "must name at least one field")
    for place, path in enumerate(paths):
        if path not in ("name", "url", "event_types", "state"):
            form.reject(f"update_mask.paths[{place}]", "is not a field that can be changed")
    state = None
    if "state" in paths:
        state = _SETTABLE.get(given.state)
        if state is None:
            form.reject("webhook.state", "can only be set to ENABLED or DISABLED")
    types = given.event_types
    command = UpdateWebhook(
        namespace,
        webhook_id,
        name=form.text("webhook.name", given.name, MAX_NAME) if "name" in paths else None,
        url=places.read(form, "webhook.url", given.url) if "url" in paths else None,
        event_types=(
            _event_types(form, "webhook.event_types", types) if "event_types" in paths else None
        ),
        state=state,
    )
    form.check()
    return command


def parse_webhook_id(webhook_id: str) -> str:
    """Reads which endpoint is meant."""
    form = Form()
    found = form.uuid("webhook_id", webhook_id)
    form.check()
    return found


def parse_rotate_secret(request: pb.RotateSecretRequest) -> tuple[str, int]:
    """Reads which endpoint is to have a new secret, and for how long the one before signs, too."""
    form = Form()
    webhook_id = form.uuid("webhook_id", request.webhook_id)
    overlap = form.span("overlap", request, DEFAULT_OVERLAP, least=0, most=MAX_OVERLAP)
    form.check()
    return webhook_id, overlap


def parse_delivery_state(form: Form, number: int) -> DeliveryState | None:
    """Reads which deliveries are asked for; unspecified means all."""
    state = _STATES.get(number)
    if number and state is None:
        form.reject("state", "is not a state of a delivery")
    return state


def parse_redeliver(request: pb.RedeliverRequest, namespace: int) -> Redeliver:
    """Reads what is to be sent again. Another tenant's is not found."""
    form = Form()
    webhook_id = form.uuid("webhook_id", request.webhook_id)
    found = _MESSAGE_ID.fullmatch(request.delivery_id)
    if found is None:
        form.reject("delivery_id", "must be the webhook-id of an event")
    form.check()
    assert found is not None
    if int(found[1]) != namespace:
        raise not_found("delivery", request.delivery_id)
    return Redeliver(namespace, webhook_id, int(found[2]), int(found[3], 16))


def _event_types(form: Form, field: str, types: Sequence[str]) -> tuple[str, ...]:
    known = set(types) & set(EVENT_TYPES)
    if len(known) < len(types):
        form.reject(field, f"must be different ones of {', '.join(EVENT_TYPES)}")
        return ()
    return tuple(types)
