"""What a person is told of a cancel: the target, the cancellation, and each task's result."""

from collections.abc import Iterable

from rich.text import Text

from countermand.cli.output import NONE, STYLES, moment, word, yes_or_no
from countermand.v1.cancellation_pb2 import (
    Cancellation,
    CancellationResult,
    CancellationState,
    Disposition,
)
from countermand.v1.cancellation_service_pb2 import (
    CancelCheckoutResponse,
    CancelGroupResponse,
    CancelOrderResponse,
    CancelTaskResponse,
)
from countermand.v1.checkout_pb2 import Checkout, CheckoutState
from countermand.v1.order_pb2 import Order, OrderState
from countermand.v1.task_pb2 import (
    CancelProof,
    ChargeState,
    Group,
    RefundState,
    Settlement,
    Task,
    TaskCount,
    TaskState,
)

Answer = CancelTaskResponse | CancelGroupResponse | CancelCheckoutResponse | CancelOrderResponse
Facts = list[tuple[str, str]]


def account(answer: Answer) -> tuple[Facts, list[Text]]:
    """Returns the facts of an answer, and a line for each task that the cancel covers."""
    match answer:
        case CancelTaskResponse() if not answer.HasField("task"):
            about = [("task", answer.cancellation.task_id), ("state", "not created yet")]
        case CancelTaskResponse():
            about = about_task(answer.task)
        case CancelGroupResponse():
            about = about_group(answer.group)
        case CancelCheckoutResponse():
            about = about_checkout(answer.checkout)
        case CancelOrderResponse():
            about = about_order(answer.order)
    repeated = [("replayed", yes_or_no(answer.replayed)), ("joined", _about_join(answer))]
    results = [result_line(result) for result in answer.cancellation.results]
    return [*about, *about_cancellation(answer.cancellation), *repeated], results


def _about_join(answer: Answer) -> str:
    """Whose cancel this one joined, why that was asked for, and since when."""
    if not answer.joined:
        return yes_or_no(answer.joined)
    first = answer.cancellation
    acts_for = f" for {first.on_behalf_of}" if first.on_behalf_of else ""
    why = f"with reason {first.reason}" if first.reason else "without a reason"
    whose = f"the cancel of {first.requested_by}{acts_for}"
    return f"yes, {whose} {why}, since {moment(first.create_time)}"


def result_line(result: CancellationResult) -> Text:
    """What became of one task under a cancel, in one line."""
    state = word(TaskState, result.task_state)
    return Text.assemble(
        f"result  {result.task_id}  {word(Disposition, result.disposition):<8}  ",
        (f"{state:<10}", STYLES.get(state, "")),
        f"  {word(CancelProof, result.cancel_proof)}",
        refund_word(result.refund_state),
    )


def refund_word(refund_state: RefundState) -> str | tuple[str, str]:
    """What of a refund belongs into a line: nothing if none was ever required."""
    if refund_state in (RefundState.REFUND_STATE_UNSPECIFIED, RefundState.REFUND_STATE_NONE):
        return ""
    required = refund_state == RefundState.REFUND_STATE_REQUIRED
    return (f"  refund={word(RefundState, refund_state)}", "bold" if required else "")


def about_task(task: Task) -> Facts:
    """Returns the facts of a task."""
    return [
        ("task", task.task_id),
        ("state", word(TaskState, task.state)),
        ("version", str(task.version)),
        ("proof", word(CancelProof, task.cancel_proof)),
        ("deadline", moment(task.deadline_time)),
        ("charge", word(ChargeState, task.charge_state)),
        ("refund", word(RefundState, task.refund_state)),
        *(_about_settlement(task.settlement) if task.HasField("settlement") else ()),
    ]


def _about_settlement(settlement: Settlement) -> Facts:
    amount = f"{settlement.amount} {settlement.currency}" if settlement.HasField("amount") else ""
    return [
        ("settled", word(RefundState, settlement.outcome)),
        ("settled at", moment(settlement.settle_time)),
        ("settled by", settlement.settled_by),
        ("amount", amount.strip()),
        ("note", settlement.note),
    ]


def about_group(group: Group) -> Facts:
    """Returns the facts of a group."""
    return [
        ("group", group.group_id),
        ("version", str(group.version)),
        ("tasks", count_words(group.task_counts)),
    ]


def about_checkout(checkout: Checkout) -> Facts:
    """Returns the facts of a checkout."""
    return [
        ("checkout", checkout.checkout_id),
        ("state", word(CheckoutState, checkout.state)),
        ("version", str(checkout.version)),
        ("cart", checkout.cart_id),
        ("tasks", count_words(checkout.task_counts)),
        ("cancelled at", moment(checkout.cancel_time)),
        ("the buyer reads", checkout.messages[-1].content if checkout.messages else NONE),
    ]


def about_order(order: Order) -> Facts:
    """Returns the facts of an order."""
    return [
        ("order", order.order_id),
        ("number", order.number),
        ("state", word(OrderState, order.state)),
        ("version", str(order.version)),
        ("checkouts", ", ".join(order.checkout_ids)),
        ("tasks", count_words(order.task_counts)),
        ("cancelled at", moment(order.cancel_time)),
    ]


def about_cancellation(found: Cancellation) -> Facts:
    """Returns the facts of a cancellation."""
    return [
        ("cancellation", found.cancellation_id or NONE),
        ("cancellation state", word(CancellationState, found.state)),
        ("reason", found.reason),
        ("message", found.message),
        ("ends by", moment(found.deadline_time)),
        ("trace", found.trace_id),
    ]


def count_words(counts: Iterable[TaskCount]) -> str:
    """How many tasks stand in each state, in words."""
    return ", ".join(f"{count.count} {word(TaskState, count.state)}" for count in counts)
