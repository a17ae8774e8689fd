"""The methods of CheckoutService."""

from collections.abc import AsyncGenerator, Iterable

from google.protobuf.field_mask_pb2 import FieldMask

from countermand.client.creating import Creating, name_tasks
from countermand.client.ids import new_id
from countermand.v1.checkout_pb2 import Cart, CartState, Checkout, CheckoutState, LineItem
from countermand.v1.checkout_service_pb2 import (
    ChangeCartRequest,
    ChangeCartResponse,
    CompleteCheckoutRequest,
    CompleteCheckoutResponse,
    CreateCheckoutRequest,
    CreateCheckoutResponse,
    GetCartRequest,
    GetCartResponse,
    GetCheckoutRequest,
    GetCheckoutResponse,
    ListCartsRequest,
    ListCartsResponse,
    ListCheckoutsRequest,
    ListCheckoutsResponse,
    UpdateCheckoutRequest,
    UpdateCheckoutResponse,
)
from countermand.v1.checkout_service_pb2_grpc import CheckoutServiceStub
from countermand.v1.task_pb2 import TaskFilter
from countermand.v1.task_service_pb2 import CreateTaskRequest


class CheckoutMethods(Creating):
    """Opens checkouts, completes them, and changes the carts that they lock."""

    async def create_checkout(
        self,
        checkout: Checkout | None = None,
        tasks: Iterable[CreateTaskRequest] = (),
        *,
        supersede: bool = False,
    ) -> CreateCheckoutResponse:
        """Creates a checkout and its tasks, all or none, and locks its cart if it names one.

        The answer has the tasks in this order. Ids that are absent are made here, so that the call
        can be repeated: the answer may then show all as it is by now, which needs `checkouts:read`
        and `tasks:read` or `tasks:run`. With the caller's own checkout_id a repeat may be refused
        with `CHECKOUT_EXISTS`. `supersede` takes the cart from the checkout that locks it. Raises
        CountermandError, for example `CART_LOCKED`.
        """
        request = CreateCheckoutRequest(checkout=checkout, tasks=tasks, supersede=supersede)
        name_tasks(request.tasks)
        given = request.checkout.checkout_id
        request.checkout.checkout_id = given or f"checkout_{new_id()}"

        async def read() -> CreateCheckoutResponse:
            created = (await self.get_checkout(request.checkout.checkout_id)).checkout
            chosen = TaskFilter(checkout_id=created.checkout_id)
            tasks = await self._read_tasks(chosen, request.tasks) if request.tasks else ()
            return CreateCheckoutResponse(checkout=created, tasks=tasks)

        return await self._create(
            CheckoutServiceStub,
            request,
            CreateCheckoutResponse,
            "CHECKOUT_EXISTS",
            None if given else read,
        )

    async def get_checkout(self, checkout_id: str) -> GetCheckoutResponse:
        """Returns the checkout as it is now. Raises CountermandError, for example NOT_FOUND."""
        request = GetCheckoutRequest(checkout_id=checkout_id)
        return await self._call(CheckoutServiceStub, request, GetCheckoutResponse)

    async def list_checkouts(
        self,
        *,
        state: CheckoutState | None = None,
        cart_id: str = "",
        page_size: int = 0,
        page_token: str = "",
    ) -> ListCheckoutsResponse:
        """Returns one page of checkouts, newest first; `next_page_token` is empty on the last one.

        Raises CountermandError.
        """
        request = ListCheckoutsRequest(
            state=state, cart_id=cart_id, page_size=page_size, page_token=page_token
        )
        return await self._call(CheckoutServiceStub, request, ListCheckoutsResponse)

    async def list_carts(
        self, *, state: CartState | None = None, page_size: int = 0, page_token: str = ""
    ) -> ListCartsResponse:
        """Returns one page of carts, newest first; `next_page_token` is empty on the last one.

        Raises CountermandError.
        """
        request = ListCartsRequest(state=state, page_size=page_size, page_token=page_token)
        return await self._call(CheckoutServiceStub, request, ListCartsResponse)

    def iter_checkouts(
        self, *, state: CheckoutState | None = None, cart_id: str = ""
    ) -> AsyncGenerator[Checkout]:
        """Gives all checkouts of list_checkouts, page after page. Raises CountermandError."""

        async def read(token: str) -> ListCheckoutsResponse:
            return await self.list_checkouts(
                state=state, cart_id=cart_id, page_size=self._knobs.page_size, page_token=token
            )

        return self._each(read, "checkouts")

    def iter_carts(self, *, state: CartState | None = None) -> AsyncGenerator[Cart]:
        """Gives all carts of list_carts, page after page. Raises CountermandError."""

        async def read(token: str) -> ListCartsResponse:
            return await self.list_carts(
                state=state, page_size=self._knobs.page_size, page_token=token
            )

        return self._each(read, "carts")

    async def update_checkout(
        self,
        checkout: Checkout,
        update_mask: Iterable[str] = (),
        *,
        expected_version: int | None = None,
    ) -> UpdateCheckoutResponse:
        """Changes the fields of an OPEN checkout that the mask names, such as `totals`.

        Without a mask all fields change that are set in `checkout`; `*` names all of its snapshot.
        A repeat sets the same again, but with an `expected_version` it may meet its own change.
        Raises CountermandError, for example `VERSION_MISMATCH` or `CANCELLATION_REQUESTED`.
        """
        mask = FieldMask(paths=update_mask)
        request = UpdateCheckoutRequest(
            checkout=checkout,
            update_mask=mask if mask.paths else None,
            expected_version=expected_version,
        )
        return await self._call(CheckoutServiceStub, request, UpdateCheckoutResponse)

    async def complete_checkout(self, checkout_id: str) -> CompleteCheckoutResponse:
        """Completes an OPEN checkout and closes its cart; its live tasks run on.

        A repeat is OK and changes nothing. Raises CountermandError: `CANCELLATION_REQUESTED` or
        `CHECKOUT_ALREADY_CANCELLED` if a cancel came first.
        """
        request = CompleteCheckoutRequest(checkout_id=checkout_id)
        return await self._call(CheckoutServiceStub, request, CompleteCheckoutResponse)

    async def get_cart(self, cart_id: str) -> GetCartResponse:
        """Returns the cart as it is now. Raises CountermandError, for example NOT_FOUND."""
        return await self._call(
            CheckoutServiceStub, GetCartRequest(cart_id=cart_id), GetCartResponse
        )

    async def change_cart(self, cart_id: str, line_items: Iterable[LineItem]) -> ChangeCartResponse:
        """Gives a cart new lines, in the place of all that it has; an unknown cart is created.

        The checkout that locks the cart is cancelled for it. The answer has that cancellation,
        but may lack it if the call was repeated and the checkout had ended by then. Raises
        CountermandError, for example `CART_CLOSED`.
        """
        request = ChangeCartRequest(cart_id=cart_id, line_items=line_items)
        return await self._call(CheckoutServiceStub, request, ChangeCartResponse)
