"""The enums on the wire: each has the words of one enum in core, behind its own prefix."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from countermand.core import states, webhooks
from countermand.v1 import (
    agent_service_pb2,
    cancellation_pb2,
    cancellation_service_pb2,
    checkout_pb2,
    order_pb2,
    task_pb2,
    webhook_service_pb2,
)

Word = TypeVar("Word", bound=StrEnum)


def _numbers(words: Iterable[Word], wire: Any, prefix: str) -> dict[Word, Any]:
    """Returns each word's number; the constructors want the enum's own type, which is not said."""
    return {word: wire.Value(f"{prefix}_{word}") for word in words}


def by_number(numbers: Mapping[Word, Any]) -> dict[int, Word]:
    """Returns each number's word."""
    return {int(number): word for word, number in numbers.items()}


TASK_STATES = _numbers(states.TaskState, task_pb2.TaskState, "TASK_STATE")
CANCEL_PROOFS = _numbers(states.CancelProof, task_pb2.CancelProof, "CANCEL_PROOF")
CHARGE_STATES = _numbers(states.ChargeState, task_pb2.ChargeState, "CHARGE_STATE")
REFUND_STATES = _numbers(states.RefundState, task_pb2.RefundState, "REFUND_STATE")
CANCELLATION_STATES = _numbers(
    states.CancellationState, cancellation_pb2.CancellationState, "CANCELLATION_STATE"
)
DISPOSITIONS = _numbers(states.Disposition, cancellation_pb2.Disposition, "DISPOSITION")
CHECKOUT_STATES = _numbers(states.CheckoutState, checkout_pb2.CheckoutState, "CHECKOUT_STATE")
CART_STATES = _numbers(states.CartState, checkout_pb2.CartState, "CART_STATE")
ORDER_STATES = _numbers(states.OrderState, order_pb2.OrderState, "ORDER_STATE")
SUMMARY_KEYS = _numbers(states.SummaryKey, cancellation_service_pb2.SummaryKey, "SUMMARY_KEY")
WEBHOOK_STATES = _numbers(webhooks.WebhookState, webhook_service_pb2.WebhookState, "WEBHOOK_STATE")
DELIVERY_STATES = _numbers(
    webhooks.DeliveryState, webhook_service_pb2.DeliveryState, "DELIVERY_STATE"
)
FINISH_OUTCOMES = _numbers(
    (states.TaskState.COMPLETED, states.TaskState.FAILED, states.TaskState.CANCELLED),
    agent_service_pb2.FinishOutcome,
    "FINISH_OUTCOME",
)
