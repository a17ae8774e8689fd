"""`countermand list agents` and `countermand list watches`."""

import asyncio
from datetime import UTC, datetime

from countermand.cli.account import count_words
from countermand.cli.options import Access, JsonOption, calls_server
from countermand.cli.output import CsvOption, moment, yes_or_no
from countermand.cli.paging import PAGE_SIZE, every
from countermand.cli.rows import Rows
from countermand.cli.status import age, span_words
from countermand.cli.tenants import EnvironmentOption, TenantOption
from countermand.v1.operator_service_pb2 import Agent, OpenWatch

_AGENTS = ("agent", "live", "lease left", "tasks", "tenant", "environment", "lost")
_WATCHES = (
    "key",
    "follows",
    "messages",
    "opened",
    "blocked for",
    "tenant",
    "environment",
    "method",
)


@calls_server
def agents(
    tenant: TenantOption = "",
    environment: EnvironmentOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    *,
    access: Access,
) -> None:
    """List the agents of every tenant: whether each lives, what is left of its lease, and what it
    holds. Needs a key with operator:read.

    Examples:

    - `countermand list agents`

    - `countermand list agents --tenant shop --csv`
    """

    async def run() -> None:
        rows = Rows(_AGENTS, as_json=as_json, as_csv=as_csv)
        now = datetime.now(UTC)
        async with access.connect() as client:
            found = every(
                lambda token: client.list_agents(
                    tenant=tenant,
                    environment=environment or "",
                    page_size=PAGE_SIZE,
                    page_token=token,
                ),
                "agents",
            )
            async for agent in found:
                rows.add(agent, agent_cells(agent, now))
        rows.end()

    asyncio.run(run())


def agent_cells(agent: Agent, now: datetime) -> tuple[str, ...]:
    """Returns the cells of an agent's row."""
    left = ""
    if agent.live:
        left = span_words(max(agent.lease_end_time.ToDatetime(UTC) - now, now - now))
    return (
        agent.agent_id,
        yes_or_no(agent.live),
        left,
        count_words(agent.task_counts),
        agent.tenant,
        agent.environment,
        moment(agent.lost_time),
    )


@calls_server
def watches(
    tenant: TenantOption = "",
    environment: EnvironmentOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    *,
    access: Access,
) -> None:
    """List the watches that are open at the server, the oldest first: whose each is, what it
    follows, and whether its client takes what it is sent. Needs a key with operator:read.

    Examples:

    - `countermand list watches`

    - `countermand list watches --tenant shop --environment production`
    """

    async def run() -> None:
        rows = Rows(_WATCHES, as_json=as_json, as_csv=as_csv)
        now = datetime.now(UTC)
        async with access.connect() as client:
            found = every(
                lambda token: client.list_open_watches(
                    tenant=tenant,
                    environment=environment or "",
                    page_size=PAGE_SIZE,
                    page_token=token,
                ),
                "watches",
            )
            async for watch in found:
                rows.add(watch, watch_cells(watch, now))
        rows.end()

    asyncio.run(run())


def watch_cells(watch: OpenWatch, now: datetime) -> tuple[str, ...]:
    """Returns the cells of a watch's row."""
    blocked = ""
    if watch.HasField("blocked_since"):
        blocked = span_words(age(watch.blocked_since, now))
    return (
        watch.key_id,
        followed(watch),
        str(watch.messages),
        moment(watch.open_time),
        blocked,
        watch.tenant,
        watch.environment,
        watch.method.rpartition(".")[2],
    )


def followed(watch: OpenWatch) -> str:
    """What a watch follows, in words."""
    if watch.task_id:
        return f"task {watch.task_id}"
    chosen = [
        f"{field.name.removesuffix('_id')} {value}" for field, value in watch.filter.ListFields()
    ]
    return ", ".join(chosen) or "all tasks"
