"""The methods of OrderService."""

from collections.abc import AsyncGenerator, Iterable

from google.protobuf.field_mask_pb2 import FieldMask

from countermand.client.creating import Creating, name_tasks
from countermand.client.ids import new_id
from countermand.v1.order_pb2 import Order, OrderState
from countermand.v1.order_service_pb2 import (
    CreateOrderRequest,
    CreateOrderResponse,
    GetOrderRequest,
    GetOrderResponse,
    ListOrdersRequest,
    ListOrdersResponse,
    UpdateOrderRequest,
    UpdateOrderResponse,
)
from countermand.v1.order_service_pb2_grpc import OrderServiceStub
from countermand.v1.task_pb2 import TaskFilter
from countermand.v1.task_service_pb2 import CreateTaskRequest


class OrderMethods(Creating):
    """Keeps orders as their platforms have them."""

    async def create_order(
        self, order: Order | None = None, tasks: Iterable[CreateTaskRequest] = ()
    ) -> CreateOrderResponse:
        """Creates an order and its tasks, all or none; the answer has the tasks in this order.

        Ids that are absent are made here, so that the call can be repeated: the answer may then
        show all as it is by now, which needs `orders:read` and `tasks:read` or `tasks:run`. With
        the caller's own order_id a repeat may be refused with `ORDER_EXISTS`. Raises
        CountermandError.
        """
        request = CreateOrderRequest(order=order, tasks=tasks)
        name_tasks(request.tasks)
        given = request.order.order_id
        request.order.order_id = given or f"order_{new_id()}"

        async def read() -> CreateOrderResponse:
            created = (await self.get_order(request.order.order_id)).order
            chosen = TaskFilter(order_id=created.order_id)
            tasks = await self._read_tasks(chosen, request.tasks) if request.tasks else ()
            return CreateOrderResponse(order=created, tasks=tasks)

        return await self._create(
            OrderServiceStub,
            request,
            CreateOrderResponse,
            "ORDER_EXISTS",
            None if given else read,
        )

    async def get_order(self, order_id: str) -> GetOrderResponse:
        """Returns the order as it is now. Raises CountermandError, for example NOT_FOUND."""
        return await self._call(
            OrderServiceStub, GetOrderRequest(order_id=order_id), GetOrderResponse
        )

    async def list_orders(
        self, *, state: OrderState | None = None, page_size: int = 0, page_token: str = ""
    ) -> ListOrdersResponse:
        """Returns one page of orders, newest first; `next_page_token` is empty on the last one.

        Raises CountermandError.
        """
        request = ListOrdersRequest(state=state, page_size=page_size, page_token=page_token)
        return await self._call(OrderServiceStub, request, ListOrdersResponse)

    def iter_orders(self, *, state: OrderState | None = None) -> AsyncGenerator[Order]:
        """Gives all orders of list_orders, page after page. Raises CountermandError."""

        async def read(token: str) -> ListOrdersResponse:
            return await self.list_orders(
                state=state, page_size=self._knobs.page_size, page_token=token
            )

        return self._each(read, "orders")

    async def update_order(
        self, order: Order, update_mask: Iterable[str] = ()
    ) -> UpdateOrderResponse:
        """Changes the fields of an order that the mask names, such as `financial_status`.

        Without a mask all fields change that are set in `order`; `*` names all. A repeat sets the
        same again. Raises CountermandError, for example `ORDER_CLOSED`.
        """
        mask = FieldMask(paths=update_mask)
        request = UpdateOrderRequest(order=order, update_mask=mask if mask.paths else None)
        return await self._call(OrderServiceStub, request, UpdateOrderResponse)
