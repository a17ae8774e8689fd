"""OperatorService."""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from itertools import islice

from countermand import __version__
from countermand.app.composition import App
from countermand.core.keys import Namespace
from countermand.core.records import Task
from countermand.engine.watching.messages import Kind
from countermand.engine.watching.open_watches import Watcher
from countermand.engine.watching.watch_all import Tenants
from countermand.rpc.guard.refusal_counts import RefusalCounts
from countermand.rpc.method import Call, needs
from countermand.rpc.wire.form import Form
from countermand.rpc.wire.parse.operator import parse_chosen
from countermand.rpc.wire.parse.tasks import parse_task_query
from countermand.rpc.wire.parse.watches import parse_heartbeat_interval
from countermand.rpc.wire.render.operator import render_agent, render_operator_task, render_watch
from countermand.rpc.wire.render.pages import fit_page
from countermand.rpc.wire.render.tasks import render_counts
from countermand.rpc.wire.render.times import set_time
from countermand.rpc.wire.tokens import (
    decode_named,
    decode_numbers,
    encode_named,
    encode_numbers,
)
from countermand.store.lists import AgentPlace, DeadlinePlace, TaskQuery, TenantPlace, place_of
from countermand.v1 import operator_service_pb2 as pb

MAX_REFUSALS = 100

KINDS = {kind: f"WATCH_TYPE_{kind}" for kind in Kind}


class OperatorService:
    """Shows how the server stands, and what all tenants have."""

    SERVICE = pb.DESCRIPTOR.services_by_name["OperatorService"]

    def __init__(self, app: App, refusals: RefusalCounts) -> None:
        self._app = app
        self._store = app.store
        self._refusals = refusals
        self._max_bytes = app.knobs.paging.max_bytes
        self._blocked_after = app.knobs.watching.watchers.blocked_after
        self._start_time = app.clock.now()
        self._replica_id = app.replica_id

    @needs("operator:read")
    async def list_tasks(
        self, call: Call, request: pb.OperatorServiceListTasksRequest
    ) -> pb.OperatorServiceListTasksResponse:
        form = Form()
        chosen = parse_chosen(form, request)
        query = parse_task_query(form, request)
        limit = form.page_size(request.page_size)
        form.check()
        bound_to = ("operator tasks", chosen, query)
        numbers = decode_numbers(request.page_token, 2, *bound_to)
        namespaces = self._app.keyring.namespaces(*chosen)
        tasks, following = await self._tasks(list(namespaces), query, numbers, limit)
        shown = fit_page(
            (render_operator_task(task, namespaces[task.namespace]) for task in tasks),
            self._max_bytes,
        )
        if len(shown) < len(tasks):
            following = _place_of(tasks[len(shown) - 1], query)
        return pb.OperatorServiceListTasksResponse(
            tasks=shown, next_page_token=encode_numbers(following, *bound_to)
        )

    async def _tasks(
        self, namespaces: Sequence[int], query: TaskQuery, numbers: Sequence[int], limit: int
    ) -> tuple[list[Task], Sequence[int]]:
        """Returns the next tasks, and the numbers after which a further page begins, if any."""
        if query.nearest_first:
            after = DeadlinePlace(*numbers)
            found = await self._store.deadlines_of_tenants(namespaces, query, after, limit)
            return found.tasks, found.next_place or ()
        namespace, number = numbers or (0, 0)
        page = await self._store.tasks_of_tenants(
            namespaces, query, TenantPlace(namespace, number or None), limit
        )
        if page.next_place is None:
            return page.tasks, ()
        return page.tasks, (page.next_place.namespace, page.next_place.number or 0)

    @needs("operator:read")
    async def watch_tasks(
        self, call: Call, request: pb.OperatorServiceWatchTasksRequest, watcher: Watcher
    ) -> AsyncGenerator[bytes, None]:
        form = Form()
        chosen = parse_chosen(form, request)
        interval = parse_heartbeat_interval(form, request)
        form.check()
        keyring = self._app.keyring

        def has(namespace: int) -> bool:
            found = keyring.namespace(namespace)
            return chosen.tenant in ("", found.tenant) and chosen.environment in (
                "",
                found.environment,
            )

        tenants = Tenants(lambda: keyring.namespaces(*chosen), has)
        messages = self._app.watch.all.follow_all(watcher, tenants, interval)
        async with aclosing(messages):
            async for message in messages:
                shown = pb.OperatorServiceWatchTasksResponse(type=KINDS[message.kind])
                if message.task is not None:
                    namespace = keyring.namespace(message.task.namespace)
                    shown.task.CopyFrom(render_operator_task(message.task, namespace))
                yield shown.SerializeToString()

    @needs("operator:read")
    async def get_server_status(
        self, call: Call, request: pb.GetServerStatusRequest
    ) -> pb.GetServerStatusResponse:
        app = self._app
        counted = await app.task_counts.get()
        store = await app.store.status(app.clock.steady())
        status = pb.ServerStatus(
            version=__version__,
            schema=store.schema,
            store_kind=app.store.name,
            store_bytes=store.bytes,
            wal_bytes=store.wal_bytes or 0,
            live_agents=store.live_agents,
            open_watches=len(app.watchers),
            max_open_watches=app.watchers.max_open or 0,
            overdue_count=store.overdue_count,
            free_disk_bytes=store.free_bytes or 0,
            refusals=[
                pb.RefusalCount(key_id=key_id, reason=reason, count=count)
                for (key_id, reason), count in self._refusals.last_minute(MAX_REFUSALS)
            ],
            replica_id=self._replica_id,
        )
        set_time(status.start_time, self._start_time)
        set_time(status.oldest_overdue_time, store.oldest_overdue_time)
        if counted is not None:
            status.task_counts.extend(render_counts(counted.counts))
            set_time(status.task_count_time, counted.time)
        last = app.last_commit
        if last.end_ns:
            status.last_commit_duration.FromNanoseconds(max(0, last.end_ns - last.start_ns))
            status.last_commit_time.FromNanoseconds(last.end_ns)
        return pb.GetServerStatusResponse(status=status)

    @needs("operator:read")
    async def list_agents(self, call: Call, request: pb.ListAgentsRequest) -> pb.ListAgentsResponse:
        form = Form()
        chosen = parse_chosen(form, request)
        limit = form.page_size(request.page_size)
        form.check()
        bound_to = ("agents", chosen)
        token = request.page_token
        after = AgentPlace(*decode_named(token, *bound_to)) if token else AgentPlace()
        namespaces = self._app.keyring.namespaces(*chosen)
        page = await self._store.agents(list(namespaces), after, limit)
        now, steady = self._app.clock.now(), self._app.clock.steady()
        shown = [
            render_agent(reading, namespaces[reading.agent.namespace], now=now, steady=steady)
            for reading in page.readings
        ]
        following = "" if page.next_place is None else encode_named(*page.next_place, *bound_to)
        return pb.ListAgentsResponse(agents=shown, next_page_token=following)

    @needs("operator:read")
    async def list_open_watches(
        self, call: Call, request: pb.ListOpenWatchesRequest
    ) -> pb.ListOpenWatchesResponse:
        form = Form()
        chosen = parse_chosen(form, request)
        limit = form.page_size(request.page_size)
        form.check()
        bound_to = ("open watches", chosen)
        numbers = decode_numbers(request.page_token, 1, *bound_to)
        namespaces = self._app.keyring.namespaces(*chosen)
        found = list(islice(self._watchers(namespaces, *numbers), limit + 1))
        now = self._app.clock.now()
        shown = [
            render_watch(watcher, namespace, now=now, blocked_after=self._blocked_after)
            for watcher, namespace in found[:limit]
        ]
        following = (found[limit - 1][0].number,) if len(found) > limit else ()
        return pb.ListOpenWatchesResponse(
            watches=shown, next_page_token=encode_numbers(following, *bound_to)
        )

    def _watchers(
        self, namespaces: Mapping[int, Namespace], after: int = 0
    ) -> Iterator[tuple[Watcher, Namespace]]:
        for watcher in self._app.watchers:
            if watcher.number > after:
                namespace = namespaces.get(self._app.keyring.namespace_of(watcher.key_id))
                if namespace is not None:
                    yield watcher, namespace


def _place_of(task: Task, query: TaskQuery) -> Sequence[int]:
    return place_of(task) if query.nearest_first else (task.namespace, task.number)
