"""`countermand health`."""

import asyncio

from countermand.cli.failures import Failure
from countermand.cli.options import Access, calls_server
from countermand.cli.output import show


@calls_server
def health(*, access: Access) -> None:
    """Ask whether the server serves. It needs no key.

    Prints SERVING and ends with 0; ends with 1 if the server says that it does not serve, as while
    it drains, and with 3 if it is not reached.

    Examples:

    - `countermand health`

    - `countermand health --server 10.0.0.7:50051 && echo ready`
    """

    async def run() -> None:
        async with access.connect() as client:
            if not await client.is_serving():
                raise Failure("NOT_SERVING")
        show("SERVING")

    asyncio.run(run())
