"""CheckoutService."""

from collections.abc import Callable
from functools import partial

from countermand.app.reading import read_holder
from countermand.core.answers import CartChanged, CheckoutChanged, CheckoutCreated
from countermand.core.errors import not_found
from countermand.core.ids import UuidMaker
from countermand.core.knobs import PagingKnobs
from countermand.core.records import Checkout, Target
from countermand.core.states import TargetKind
from countermand.engine.clock import Clock
from countermand.engine.writer import Writer
from countermand.rpc.method import LARGE, MEDIUM, Call, needs
from countermand.rpc.servicers.large import read_creation
from countermand.rpc.servicers.listing import Asked, cut, list_holders
from countermand.rpc.wire.form import Form
from countermand.rpc.wire.fresh import Fresh
from countermand.rpc.wire.parse import checkouts as parse
from countermand.rpc.wire.render.cancellations import set_cancellation
from countermand.rpc.wire.render.checkouts import render_cart, render_checkout
from countermand.rpc.wire.render.pages import fit_page
from countermand.rpc.wire.render.tasks import count_states, set_first_tasks
from countermand.rpc.wire.tokens import decode_numbers
from countermand.store.contract import Store
from countermand.store.lists import PageQuery
from countermand.v1 import checkout_service_pb2 as pb


class CheckoutService:
    """Keeps checkouts and carts."""

    SERVICE = pb.DESCRIPTOR.services_by_name["CheckoutService"]

    def __init__(
        self,
        store: Store,
        writer: Writer,
        clock: Clock,
        ids: UuidMaker,
        knobs: PagingKnobs,
        name_of: Callable[[str], str],
    ) -> None:
        """`name_of` returns what people call a key."""
        self._store = store
        self._writer = writer
        self._clock = clock
        self._ids = ids
        self._knobs = knobs
        self._name_of = name_of

    @needs("checkouts:write", max_bytes=LARGE)
    async def create_checkout(
        self, call: Call, request: pb.CreateCheckoutRequest
    ) -> pb.CreateCheckoutResponse:
        fresh = Fresh(self._clock.now(), self._ids)
        parsing = partial(
            parse.parse_create_checkout, request, call.namespace, caller=call.caller()
        )
        command = await read_creation(request, parsing, fresh)
        created: CheckoutCreated = await self._writer.submit(command, call.trace)
        answer = pb.CreateCheckoutResponse(
            checkout=render_checkout(created.checkout, count_states(created.tasks))
        )
        set_first_tasks(answer, created.tasks)
        return answer

    @needs("checkouts:read")
    async def get_checkout(
        self, call: Call, request: pb.GetCheckoutRequest
    ) -> pb.GetCheckoutResponse:
        form = Form()
        checkout_id = form.name("checkout_id", request.checkout_id)
        form.check()
        target = Target(TargetKind.CHECKOUT, call.namespace, checkout_id)
        checkout, counts = await read_holder(self._store, target, Checkout)
        return pb.GetCheckoutResponse(checkout=render_checkout(checkout, counts))

    @needs("checkouts:read")
    async def list_checkouts(
        self, call: Call, request: pb.ListCheckoutsRequest
    ) -> pb.ListCheckoutsResponse:
        form = Form()
        query = parse.parse_checkout_query(form, request)
        limit = form.page_size(request.page_size)
        form.check()
        asked = Asked(call.namespace, limit, request.page_token, self._knobs.max_bytes)
        checkouts, token = await list_holders(self._store, query, asked, render_checkout)
        return pb.ListCheckoutsResponse(checkouts=checkouts, next_page_token=token)

    @needs("checkouts:read")
    async def list_carts(self, call: Call, request: pb.ListCartsRequest) -> pb.ListCartsResponse:
        form = Form()
        state = parse.parse_cart_state(form, request.state)
        limit = form.page_size(request.page_size)
        form.check()
        bound_to = ("carts", call.namespace, state)
        numbers = decode_numbers(request.page_token, 1, *bound_to)
        before = numbers[0] if numbers else None
        max_bytes = self._knobs.max_bytes
        page = await self._store.carts(call.namespace, state, PageQuery(before, limit, max_bytes))
        shown = fit_page(map(render_cart, page.carts), max_bytes)
        carts, token = cut(shown, page.numbers, page.next_number, *bound_to)
        return pb.ListCartsResponse(carts=carts, next_page_token=token)

    @needs("checkouts:write", max_bytes=MEDIUM)
    async def update_checkout(
        self, call: Call, request: pb.UpdateCheckoutRequest
    ) -> pb.UpdateCheckoutResponse:
        command = parse.parse_update_checkout(request, call.namespace, self._clock.now())
        done: CheckoutChanged = await self._writer.submit(command, call.trace)
        return pb.UpdateCheckoutResponse(checkout=render_checkout(done.checkout, done.counts))

    @needs("checkouts:write")
    async def complete_checkout(
        self, call: Call, request: pb.CompleteCheckoutRequest
    ) -> pb.CompleteCheckoutResponse:
        command = parse.parse_complete_checkout(request, call.namespace)
        done: CheckoutChanged = await self._writer.submit(command, call.trace)
        cart = None
        if done.checkout.cart_id is not None:  # It is closed, and stays as it is.
            cart = await self._store.cart(call.namespace, done.checkout.cart_id)
        return pb.CompleteCheckoutResponse(
            checkout=render_checkout(done.checkout, done.counts),
            cart=None if cart is None else render_cart(cart),
        )

    @needs("checkouts:read")
    async def get_cart(self, call: Call, request: pb.GetCartRequest) -> pb.GetCartResponse:
        form = Form()
        cart_id = form.name("cart_id", request.cart_id)
        form.check()
        cart = await self._store.cart(call.namespace, cart_id)
        if cart is None:
            raise not_found("cart", cart_id)
        return pb.GetCartResponse(cart=render_cart(cart))

    @needs("checkouts:write", max_bytes=MEDIUM)
    async def change_cart(self, call: Call, request: pb.ChangeCartRequest) -> pb.ChangeCartResponse:
        command = parse.parse_change_cart(request, call.namespace, caller=call.caller())
        changed: CartChanged = await self._writer.submit(command, call.trace)
        answer = pb.ChangeCartResponse(cart=render_cart(changed.cart))
        if changed.cancelled is not None:
            done = changed.cancelled
            set_cancellation(answer.cancellation, done.cancellation, done.covered)
            answer.cancellation.requested_by_name = self._name_of(answer.cancellation.requested_by)
        return answer
