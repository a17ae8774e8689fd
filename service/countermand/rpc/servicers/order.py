"""OrderService."""

from functools import partial

from countermand.app.reading import read_holder
from countermand.core.answers import OrderChanged, OrderCreated
from countermand.core.ids import UuidMaker
from countermand.core.knobs import PagingKnobs
from countermand.core.records import Order, Target
from countermand.core.states import TargetKind
from countermand.engine.clock import Clock
from countermand.engine.writer import Writer
from countermand.rpc.method import LARGE, MEDIUM, Call, needs
from countermand.rpc.servicers.large import read_creation
from countermand.rpc.servicers.listing import Asked, list_holders
from countermand.rpc.wire.form import Form
from countermand.rpc.wire.fresh import Fresh
from countermand.rpc.wire.parse import orders as parse
from countermand.rpc.wire.render.orders import render_order
from countermand.rpc.wire.render.tasks import set_first_tasks
from countermand.store.contract import Store
from countermand.store.lists import HolderQuery
from countermand.v1 import order_service_pb2 as pb


class OrderService:
    """Keeps orders."""

    SERVICE = pb.DESCRIPTOR.services_by_name["OrderService"]

    def __init__(
        self, store: Store, writer: Writer, clock: Clock, ids: UuidMaker, knobs: PagingKnobs
    ) -> None:
        self._store = store
        self._writer = writer
        self._clock = clock
        self._ids = ids
        self._knobs = knobs

    @needs("orders:write", max_bytes=LARGE)
    async def create_order(
        self, call: Call, request: pb.CreateOrderRequest
    ) -> pb.CreateOrderResponse:
        fresh = Fresh(self._clock.now(), self._ids)
        parsing = partial(parse.parse_create_order, request, call.namespace)
        command = await read_creation(request, parsing, fresh)
        created: OrderCreated = await self._writer.submit(command, call.trace)
        answer = pb.CreateOrderResponse(order=render_order(created.order, created.counts))
        set_first_tasks(answer, created.tasks)
        return answer

    @needs("orders:read")
    async def get_order(self, call: Call, request: pb.GetOrderRequest) -> pb.GetOrderResponse:
        form = Form()
        order_id = form.name("order_id", request.order_id)
        form.check()
        target = Target(TargetKind.ORDER, call.namespace, order_id)
        order, counts = await read_holder(self._store, target, Order)
        return pb.GetOrderResponse(order=render_order(order, counts))

    @needs("orders:read")
    async def list_orders(self, call: Call, request: pb.ListOrdersRequest) -> pb.ListOrdersResponse:
        form = Form()
        query = HolderQuery(TargetKind.ORDER, parse.parse_order_state(form, request.state))
        limit = form.page_size(request.page_size)
        form.check()
        asked = Asked(call.namespace, limit, request.page_token, self._knobs.max_bytes)
        orders, token = await list_holders(self._store, query, asked, render_order)
        return pb.ListOrdersResponse(orders=orders, next_page_token=token)

    @needs("orders:write", max_bytes=MEDIUM)
    async def update_order(
        self, call: Call, request: pb.UpdateOrderRequest
    ) -> pb.UpdateOrderResponse:
        command = parse.parse_update_order(request, call.namespace)
        changed: OrderChanged = await self._writer.submit(command, call.trace)
        return pb.UpdateOrderResponse(order=render_order(changed.order, changed.counts))
