"""An agent that speaks A2A over gRPC, by a2a-sdk's own parts, with tasks in an SQLite file.

It runs in the environment of the peers, not in ours. All is a2a-sdk's default: its request handler,
its database store, and SQLAlchemy's and SQLite's own settings, which sync every commit. The tasks
are in state WORKING and held by no process, so a cancel writes CANCELED and asks no agent: the
cheapest way that the SDK has.

    python a2a_server.py COUNT   # tasks, whose ids are task-0, task-1 and so on
"""

import asyncio
import signal
import sys
from pathlib import Path

import grpc
from a2a.server.agent_execution import AgentExecutor
from a2a.server.context import ServerCallContext
from a2a.server.request_handlers import DefaultRequestHandler, GrpcHandler
from a2a.server.tasks import DatabaseTaskStore
from a2a.types import a2a_pb2, a2a_pb2_grpc
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

FILE = Path("a2a.db")


class _Nobody(AgentExecutor):
    async def execute(self, context, event_queue) -> None:
        raise NotImplementedError

    async def cancel(self, context, event_queue) -> None:
        raise NotImplementedError


async def fill(engine: AsyncEngine, store: DatabaseTaskStore, count: int) -> None:
    """Saves one task by the SDK, and copies its row."""
    status = a2a_pb2.TaskStatus(state=a2a_pb2.TaskState.TASK_STATE_WORKING)
    task = a2a_pb2.Task(id="first", context_id="context", status=status)
    await store.initialize()
    await store.save(task, ServerCallContext())
    columns = [column.name for column in store.task_model.__table__.columns]
    copied = ", ".join("'task-' || n" if name == "id" else name for name in columns)
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "WITH RECURSIVE numbers (n) AS "
                "(SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :count) "
                f"INSERT INTO tasks ({', '.join(columns)}) SELECT {copied} FROM tasks, numbers"
            ),
            {"count": count},
        )


async def serve(count: int) -> None:
    """Serves on a free loopback port, says which, and ends on SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    engine = create_async_engine(f"sqlite+aiosqlite:///{FILE}")
    store = DatabaseTaskStore(engine)
    await fill(engine, store, count)
    card = a2a_pb2.AgentCard(name="nobody", description="does nothing", version="1")
    server = grpc.aio.server()
    handler = GrpcHandler(DefaultRequestHandler(_Nobody(), store, card))
    a2a_pb2_grpc.add_A2AServiceServicer_to_server(handler, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)
    await stop.wait()
    await server.stop(grace=None)
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
