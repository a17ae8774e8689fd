"""The second telling of the rules goes on: groups, checkouts, carts and orders."""

from countermand.core import commands as c
from countermand.core.errors import Reason
from countermand.core.records import DEFAULT_GRACE, Target
from countermand.core.states import RefundState, TargetKind, TaskState
from countermand.core.updates import UpdateCheckout
from tests.support.model import ENDED, ModelCart, ModelHolder, ModelTask, TaskModel

GROUP, CHECKOUT, ORDER = TargetKind.GROUP, TargetKind.CHECKOUT, TargetKind.ORDER
CLOSED = {
    GROUP: {"CLOSED": Reason.GROUP_CLOSED},
    CHECKOUT: {
        "COMPLETED": Reason.CHECKOUT_ALREADY_COMPLETED,
        "CANCELLING": Reason.CHECKOUT_ALREADY_CANCELLED,
        "CANCELLED": Reason.CHECKOUT_ALREADY_CANCELLED,
        "PARTIALLY_CANCELLED": Reason.CHECKOUT_ALREADY_CANCELLED,
    },
    ORDER: {
        "CLOSED": Reason.ORDER_CLOSED,
        "CANCELLING": Reason.ORDER_ALREADY_CANCELLED,
        "CANCELLED": Reason.ORDER_ALREADY_CANCELLED,
        "PARTIALLY_CANCELLED": Reason.ORDER_ALREADY_CANCELLED,
    },
}


class Model(TaskModel):
    def do(self, command: c.Command, now: int) -> Reason | None:
        """Returns why the command is refused, or None and the model has changed."""
        self.touched.clear()
        refused: Reason | None = getattr(self, f"_{type(command).__name__}")(command, now)
        if refused is None:
            self._end_holders()
            for key in self.touched:
                (self.holders if isinstance(key, Target) else self.carts)[key].version += 1
        return refused

    def live(self, target: Target) -> int:
        return sum(self.tasks[id].state not in ENDED for id in self.members(target))

    def _end_holders(self) -> None:
        """Ends what waits for no task any more, and unlocks its cart."""
        for target, holder in self.holders.items():
            if holder.state != "CANCELLING" or self.live(target):
                continue
            if target.kind is ORDER:
                partly = self.cancels[holder.cancel or 0].completed(self.tasks) > 0
            else:
                states = [self.tasks[id].state for id in self.members(target)]
                partly = TaskState.COMPLETED in states
            holder.state = "PARTIALLY_CANCELLED" if partly else "CANCELLED"
            self.touched.add(target)
            key = (target.namespace, holder.cart or "")
            cart = self.carts.get(key)
            if cart is not None and cart.checkout == target.id:
                cart.state, cart.checkout = "ACTIVE", None
                self.touched.add(key)

    # Creating.

    def _CreateTask(self, command: c.CreateTask, now: int) -> Reason | None:
        ns, new = command.namespace, command.task
        named = ((CHECKOUT, new.checkout_id), (ORDER, new.order_id), (GROUP, new.group_id))
        for kind, id in named:
            if id is not None and Target(kind, ns, id) not in self.holders:
                return Reason(f"{kind}_NOT_FOUND")
        task = ModelTask(new.group_id, new.checkout_id, new.order_id, new.expire_time)
        if task.checkout is not None:
            of_checkout = self.holders[Target(CHECKOUT, ns, task.checkout)].group
            if task.group not in (None, of_checkout):
                return Reason.INVALID_REQUEST
            task.group = of_checkout
        if task.group is not None:
            group = self.holders[Target(GROUP, ns, task.group)]
            task.checkout = group.checkout
            if task.order is not None and group.order not in (None, task.order):
                return Reason.INVALID_REQUEST
            task.order = task.order or group.order
        if (ns, new.task_id) in self.tasks:
            return Reason.TASK_EXISTS
        first = [Target(kind, ns, id) for kind, id in named if id is not None]
        return self._join([(ns, new.task_id)], task, first, now)

    def _join(
        self, ids: list[tuple[int, str]], task: ModelTask, first: list[Target], now: int
    ) -> Reason | None:
        """Creates tasks, if all that will hold them is open; `first` is asked first."""
        if not ids:
            return None
        holders = self.holders_of(ids[0][0], task)
        kinds = [CHECKOUT, ORDER, GROUP]
        rest = sorted(
            holders - set(first),
            key=lambda x: len(kinds) if self._only_lists(x, task) else kinds.index(x.kind),
        )
        for target in [*first, *rest]:
            refused = self._closed(target)
            if refused is not None:
                return refused
        self.touched |= holders
        self._create(ids, task, now)
        return None

    def _only_lists(self, target: Target, task: ModelTask) -> bool:
        return target.kind is ORDER and target.id != task.order

    def _closed(self, target: Target) -> Reason | None:
        return CLOSED[target.kind].get(self.holders[target].state)

    def _taken(self, command: c.CreateGroup | c.CreateCheckout | c.CreateOrder) -> bool:
        return any((command.namespace, task.task_id) in self.tasks for task in command.tasks)

    def _ids(
        self, command: c.CreateGroup | c.CreateCheckout | c.CreateOrder
    ) -> list[tuple[int, str]]:
        return [(command.namespace, task.task_id) for task in command.tasks]

    def _CreateGroup(self, command: c.CreateGroup, now: int) -> Reason | None:
        ns = command.namespace
        target = Target(GROUP, ns, command.group_id)
        parents = [
            Target(kind, ns, id)
            for kind, id in ((CHECKOUT, command.checkout_id), (ORDER, command.order_id))
            if id is not None
        ]
        for parent in parents:
            if parent not in self.holders:
                return Reason(f"{parent.kind}_NOT_FOUND")
        if target in self.holders:
            return Reason.GROUP_EXISTS
        for parent in parents:
            refused = self._closed(parent)
            if refused is not None:
                return refused
            if parent.kind is CHECKOUT and self.holders[parent].group is not None:
                return Reason.INVALID_REQUEST
        if self._taken(command):
            return Reason.TASK_EXISTS
        self.holders[target] = ModelHolder(checkout=command.checkout_id, order=command.order_id)
        task = ModelTask(command.group_id, command.checkout_id, command.order_id, None)
        refused = self._join(self._ids(command), task, [], now)
        if refused is not None:
            del self.holders[target]
            return refused
        self.touched.discard(target)
        if command.checkout_id is not None:
            checkout = Target(CHECKOUT, ns, command.checkout_id)
            self.holders[checkout].group = command.group_id
            self.touched.add(checkout)
        if command.closed:
            self.holders[target].state = "CLOSED"
        return None

    def _CreateCheckout(self, command: c.CreateCheckout, now: int) -> Reason | None:
        ns = command.namespace
        target = Target(CHECKOUT, ns, command.checkout_id)
        group = Target(GROUP, ns, command.group_id)
        if target in self.holders:
            return Reason.CHECKOUT_EXISTS
        if command.tasks and group in self.holders:
            return Reason.GROUP_EXISTS
        key = (ns, command.cart_id or "")
        cart = self.carts.get(key)
        if cart is not None and cart.state == "CLOSED":
            return Reason.CART_CLOSED
        if cart is not None and cart.state == "LOCKED" and not command.supersede:
            return Reason.CART_LOCKED
        if self._taken(command):
            return Reason.TASK_EXISTS
        if cart is not None:
            if cart.state == "LOCKED":
                older = Target(CHECKOUT, ns, cart.checkout or "")
                self._cancel_holder(older, "superseded", DEFAULT_GRACE, now)
            cart.state, cart.checkout = "LOCKED", command.checkout_id
            self.touched.add(key)
        elif command.cart_id is not None:
            self.carts[key] = ModelCart("LOCKED", command.checkout_id, command.line_items)
        self.holders[target] = ModelHolder(
            cart=command.cart_id, expire=command.expire_time, said=command.snapshot
        )
        if command.tasks:
            self.holders[target].group = command.group_id
            self.holders[group] = ModelHolder(checkout=command.checkout_id)
            task = ModelTask(command.group_id, command.checkout_id, None, None)
            self._join(self._ids(command), task, [], now)
            self.touched -= {target, group}
        return None

    def _CreateOrder(self, command: c.CreateOrder, now: int) -> Reason | None:
        target = Target(ORDER, command.namespace, command.order_id)
        if target in self.holders:
            return Reason.ORDER_EXISTS
        if self._unknown_checkout(command.namespace, command.checkout_ids):
            return Reason.CHECKOUT_NOT_FOUND
        if self._taken(command):
            return Reason.TASK_EXISTS
        self.holders[target] = ModelHolder(
            command.state, checkouts=command.checkout_ids, said=command.snapshot
        )
        task = ModelTask(None, None, command.order_id, None)
        self._join(self._ids(command), task, [], now)
        self.touched.discard(target)
        return None

    def _unknown_checkout(self, ns: int, ids: tuple[str, ...]) -> bool:
        return any(Target(CHECKOUT, ns, id) not in self.holders for id in ids)

    # Changing.

    def _UpdateOrder(self, command: c.UpdateOrder, now: int) -> Reason | None:
        ns = command.namespace
        target = Target(ORDER, ns, command.order_id)
        order = self.holders.get(target)
        if order is None:
            return Reason.ORDER_NOT_FOUND
        checkouts = order.checkouts if command.checkout_ids is None else command.checkout_ids
        closes = command.close and order.state != "CLOSED"
        if order.state != "OPEN" and (closes or checkouts != order.checkouts):
            return self._closed(target)
        added = tuple(id for id in checkouts if id not in order.checkouts)
        if self._unknown_checkout(ns, added):
            return Reason.CHECKOUT_NOT_FOUND
        state = "CLOSED" if closes else order.state
        after = (command.merge(order.said), checkouts, state)
        if after != (order.said, order.checkouts, order.state):
            order.said, order.checkouts, order.state = after
            self.touched.add(target)
        return None

    def _UpdateCheckout(self, command: UpdateCheckout, now: int) -> Reason | None:
        target = Target(CHECKOUT, command.namespace, command.checkout_id)
        checkout = self.holders.get(target)
        if checkout is None:
            return Reason.CHECKOUT_NOT_FOUND
        if checkout.state not in ("OPEN", "CANCELLING"):
            done = checkout.state == "COMPLETED"
            return Reason.CHECKOUT_ALREADY_COMPLETED if done else Reason.CHECKOUT_ALREADY_CANCELLED
        if command.expected_version not in (None, checkout.version):
            return Reason.VERSION_MISMATCH
        if checkout.state == "CANCELLING":
            return Reason.CANCELLATION_REQUESTED
        expire = command.expire_time if command.sets_expire_time else checkout.expire
        after = (command.merge(checkout.said), expire)
        if after != (checkout.said, checkout.expire):
            checkout.said, checkout.expire = after
            self.touched.add(target)
        return None

    def _CompleteCheckout(self, command: c.CompleteCheckout, now: int) -> Reason | None:
        target = Target(CHECKOUT, command.namespace, command.checkout_id)
        checkout = self.holders.get(target)
        if checkout is None:
            return Reason.CHECKOUT_NOT_FOUND
        if checkout.state == "COMPLETED":
            return None
        if checkout.state == "CANCELLING":
            return Reason.CANCELLATION_REQUESTED
        if checkout.state != "OPEN":
            return Reason.CHECKOUT_ALREADY_CANCELLED
        checkout.state = "COMPLETED"
        self.touched.add(target)
        self._close_group(command.namespace, checkout.group)
        key = (command.namespace, checkout.cart or "")
        if key in self.carts and self.carts[key].checkout == command.checkout_id:
            self.carts[key].state = "CLOSED"
            self.touched.add(key)
        return None

    def _close_group(self, ns: int, group_id: str | None) -> None:
        target = Target(GROUP, ns, group_id or "")
        if group_id is not None and self.holders[target].state == "OPEN":
            self.holders[target].state = "CLOSED"
            self.touched.add(target)

    def _ChangeCart(self, command: c.ChangeCart, now: int) -> Reason | None:
        key = (command.namespace, command.cart_id)
        cart = self.carts.get(key)
        if cart is None:
            self.carts[key] = ModelCart("ACTIVE", None, command.line_items)
            return None
        if cart.state == "CLOSED":
            return Reason.CART_CLOSED
        if cart.state == "LOCKED":
            target = Target(CHECKOUT, command.namespace, cart.checkout or "")
            self._cancel_holder(target, "cart_changed", DEFAULT_GRACE, now)
        cart.lines = command.line_items
        self.touched.add(key)
        return None

    # Cancelling.

    def _CancelGroup(self, command: c.CancelGroup, now: int) -> Reason | None:
        return self._cancel(command, GROUP, now)

    def _CancelCheckout(self, command: c.CancelCheckout, now: int) -> Reason | None:
        return self._cancel(command, CHECKOUT, now)

    def _CancelOrder(self, command: c.CancelOrder, now: int) -> Reason | None:
        return self._cancel(command, ORDER, now)

    def _cancel(self, command: c.Cancel, kind: TargetKind, now: int) -> Reason | None:
        replay = self._replay(command)
        if replay is not None:
            return None if replay else Reason.REQUEST_ID_CONFLICT
        id: str | None = command.target_id
        if command.by_cart:
            cart = self.carts.get((command.namespace, command.target_id))
            if cart is None:
                return Reason.CART_NOT_FOUND
            if cart.state != "LOCKED":
                return Reason.CART_CLOSED if cart.state == "CLOSED" else Reason.CART_NOT_LOCKED
            id = cart.checkout
        target = Target(kind, command.namespace, id or "")
        holder = self.holders.get(target)
        if holder is None:
            return Reason(f"{kind}_NOT_FOUND")
        if kind is not GROUP and holder.state not in ("OPEN", "CANCELLING"):
            return self._closed(target)
        if command.expected_version not in (None, holder.version):
            return Reason.VERSION_MISMATCH
        if kind is ORDER and holder.state == "OPEN" and command.goods_left(holder.said):
            return Reason.ORDER_FULFILLED
        if not command.validate_only:
            number = self._cancel_holder(
                target, command.reason, command.grace_period, now, command.request_id
            )
            self._remember(command, number)
        return None

    def _cancel_holder(
        self, target: Target, reason: str, grace: int, now: int, request_id: str | None = None
    ) -> int:
        """Accepts or joins the cancel of a holder. Returns its number."""
        holder = self.holders[target]
        members = self.members(target)
        joined = holder.cancel is not None
        if holder.cancel is None:
            holder.cancel = self._accept(target, members, reason)
            self.touched.add(target)
            if target.kind is GROUP:
                holder.state = "CLOSED"
            else:
                holder.state = "CANCELLING"
                self._cancel_beneath(target, holder)
        else:
            self.cancels[holder.cancel].joins.append((reason, request_id))
        for id in members:
            if not joined and target.kind is not GROUP:
                self._ask_back(self.tasks[id])
            if not joined or self.tasks[id].state is TaskState.CANCELLING:
                self._stop(self.tasks[id], holder.cancel, now + grace)
        return holder.cancel

    def _ask_back(self, task: ModelTask) -> None:
        """Asks for the money of a COMPLETED task back, unless that was decided before."""
        done = task.state is TaskState.COMPLETED and task.refund is RefundState.NONE
        if done and self._holds_money_for_nothing(task):
            task.refund = RefundState.REQUIRED
            task.version += 1

    def _cancel_beneath(self, target: Target, holder: ModelHolder) -> None:
        ns = target.namespace
        self._close_group(ns, holder.group)
        for other, below in self.holders.items():
            if target.kind is not ORDER or other.namespace != ns:
                continue
            if other.kind is GROUP and below.order == target.id:
                self._close_group(ns, other.id)
            if other.kind is CHECKOUT and other.id in holder.checkouts and below.state == "OPEN":
                below.state, below.cancel = "CANCELLING", holder.cancel
                self.touched.add(other)
                self._close_group(ns, below.group)

    def _Reap(self, command: c.Reap, now: int) -> Reason | None:
        self._reap_tasks(now)
        for target, holder in self.holders.items():
            expired = holder.expire is not None and holder.expire <= now
            if expired and holder.state == "OPEN":
                self._cancel_holder(target, "timeout", DEFAULT_GRACE, now)
        return None
