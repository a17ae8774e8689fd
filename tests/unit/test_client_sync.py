"""The client without asyncio: the same as the one with it, and clean however it ends."""

import asyncio
import inspect
import os
import subprocess
import sys
import threading
from pathlib import Path

import grpc
import pytest

from countermand.client import Client as AsyncClient
from countermand.client import CountermandError
from countermand.client.sync import Client
from countermand.v1 import task_pb2 as task
from countermand.v1 import task_service_pb2 as tasks
from tests.unit.test_client_calls import DRAINING, TASK_ID, Scripted, refusal, serving
from tests.unit.test_client_watches import OPEN, SNAPSHOT, told
from tests.unit.test_client_watches import Scripted as Streams
from tests.unit.test_client_watches import serving as serving_streams

ROOT = Path(__file__).parents[2]
FOUND = tasks.GetTaskResponse(task=task.Task(task_id=TASK_ID))


def public(kind: type) -> dict[str, object]:
    return {
        name: found
        for name, found in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_") and name != "close"
    }


def test_both_clients_have_the_same_methods_with_the_same_parameters() -> None:
    ours, theirs = public(Client), public(AsyncClient)
    assert ours.keys() == theirs.keys()
    for name, method in ours.items():
        mine, other = inspect.signature(method), inspect.signature(theirs[name])
        assert mine.parameters == other.parameters, name
        assert inspect.getdoc(method)


def test_the_sync_client_is_what_the_generator_makes_of_the_other(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "generate.sync_client", str(tmp_path)]
    subprocess.run(words, cwd=ROOT, check=True, timeout=60)
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    kept = ROOT / "service" / "countermand" / "client" / "sync"
    assert made == {name: (kept / name).read_text() for name in made}


async def test_a_refusal_is_raised_in_the_caller_s_thread() -> None:
    async with serving(Scripted(refusal("NOT_FOUND", "TASK_NOT_FOUND"))) as target:

        def use() -> None:
            with (
                Client(target, "k") as client,
                pytest.raises(CountermandError, match="TASK_NOT_FOUND"),
            ):
                client.get_task(TASK_ID)

        await asyncio.to_thread(use)


async def test_closing_ends_a_call_of_another_thread_and_leaves_no_thread() -> None:
    script = Scripted()
    before = threading.active_count()
    async with serving(script) as target:
        client = Client(target, "k").__enter__()
        waiting = asyncio.create_task(asyncio.to_thread(client.get_task, TASK_ID))
        await script.arrived.wait()
        await asyncio.to_thread(client.close)
        with pytest.raises(CountermandError, match="the client was closed") as caught:
            await waiting
        assert caught.value.code is grpc.StatusCode.CANCELLED
        client.close()  # a repeat does nothing
        with pytest.raises(RuntimeError, match="not open"):
            client.get_task(TASK_ID)
    names = [thread.name for thread in threading.enumerate()]
    assert "countermand" not in names, (before, names)


async def test_it_may_be_opened_again_and_not_twice() -> None:
    async with serving(Scripted(FOUND, FOUND)) as target:

        def use() -> None:
            client = Client(target, "k")
            for _ in range(2):
                with client:
                    assert client.get_task(TASK_ID) == FOUND
                    with pytest.raises(RuntimeError, match="open already"):
                        client.__enter__()

        await asyncio.to_thread(use)


async def test_leaving_a_watch_early_ends_its_stream() -> None:
    script = Streams([told(SNAPSHOT, 1), OPEN])
    async with serving_streams(script) as target:

        def use() -> None:
            with Client(target, "k") as client:
                watch = client.watch_task(TASK_ID)
                next(watch)
                watch.close()
                asyncio.run_coroutine_threadsafe(script.left.wait(), loop).result()

        loop = asyncio.get_running_loop()
        await asyncio.to_thread(use)


async def test_a_call_from_its_own_thread_is_refused_and_does_not_hang() -> None:
    class Nested(grpc.aio.UnaryUnaryClientInterceptor):
        async def intercept_unary_unary(self, continuation, details, request):
            client.get_task(TASK_ID)

    async with serving(Scripted(FOUND)) as target:
        client = Client(target, "k", interceptors=[Nested()])
        with client, pytest.raises(RuntimeError, match="own event loop"):
            await asyncio.to_thread(client.get_task, TASK_ID)


PROGRAM = """
import os, signal, sys, threading, time
import grpc
from countermand.client import CountermandError
from countermand.client.knobs import ClientKnobs
from countermand.client.sync import Client

what, target = sys.argv[1:]
client = Client(target, "k", timeout=30)
if what == "left open":
    client.__enter__()
    client.get_task("t")
    watch = client.watch_task("t")
elif what == "interrupted":
    with client:
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            client.get_task("t")
        except KeyboardInterrupt:
            print("interrupted")
elif what == "dropped":
    client.__enter__()
    del client
    print([t.name for t in threading.enumerate()])
else:
    client.__enter__()
    client.get_task("t")
    if "closed" in what:
        client.close()
    if what == "forked a while after it was closed":
        time.sleep(ClientKnobs().rest_before_fork)
    child = os.fork()
    if not child:
        for use in (lambda: client.get_task("t"), lambda: Client(target, "k").__enter__().close()):
            try:
                print(use(), flush=True)
            except RuntimeError as error:
                print(error, flush=True)
        sys.exit(0)
    print(os.waitpid(child, 0)[1])
"""
FORKED = "a client was open when this process was forked"


@pytest.mark.parametrize(
    ("what", "answers", "printed"),
    [
        ("left open", [FOUND], []),
        ("interrupted", [], ["interrupted"]),
        ("dropped", [], ["['MainThread']"]),
        ("forked", [FOUND], [FORKED, FORKED, "0"]),
        ("forked just after it was closed", [FOUND], ["the client is not open", FORKED, "0"]),
        ("forked a while after it was closed", [FOUND], ["the client is not open", "None", "0"]),
    ],
)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
async def test_a_program_ends_cleanly(what: str, answers: list, printed: list[str]) -> None:
    async with serving(Scripted(*answers)) as target:
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning:__main__"],
            *["-c", PROGRAM, what, target],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 30)
    # gRPC itself says of each fork that it has no part in it.
    said = [line for line in err.decode().splitlines() if "fork_posix" not in line]
    assert (process.returncode, said) == (0, [])
    lines = out.decode().splitlines()
    assert len(lines) == len(printed)
    for line, start in zip(lines, printed, strict=True):
        assert line.startswith(start)


async def test_an_open_client_of_asyncio_says_in_a_child_or_another_loop_that_it_is_of_no_use() -> (
    None
):
    async with AsyncClient("127.0.0.1:1", "k") as client:

        def elsewhere() -> None:
            with pytest.raises(RuntimeError, match="another event loop"):
                asyncio.run(_get(client))

        await asyncio.to_thread(elsewhere)


async def _get(client: AsyncClient) -> None:
    await client.get_task(TASK_ID)


async def test_a_closed_client_ends_its_retries() -> None:
    async with serving(Scripted(*[DRAINING] * 1000)) as target:
        client = Client(target, "k", timeout=3600).__enter__()
        waiting = asyncio.create_task(asyncio.to_thread(client.get_task, TASK_ID))
        await asyncio.sleep(0)
        await asyncio.to_thread(client.close)
        with pytest.raises((CountermandError, RuntimeError)):
            await waiting
