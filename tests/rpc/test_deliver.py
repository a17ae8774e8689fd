"""Webhooks that are delivered by a process of its own, beside a server that delivers none."""

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from countermand.v1 import task_service_pb2 as t
from countermand.v1 import webhook_service_pb2 as pb
from countermand.v1.webhook_service_pb2_grpc import WebhookServiceStub
from tests.support.caller import first_caller
from tests.support.command import Command
from tests.support.receivers import receiving
from tests.support.server import Server


async def test_a_process_of_its_own_delivers_and_answers_for_its_health_alone(tmp_path, database):
    server, deliverer = Server(tmp_path), Server(tmp_path)
    server.store_url = deliverer.store_url = database
    deliverer.command = "deliver"
    try:
        await server.start("--no-deliveries", "--allow-loopback-webhooks")
        await deliverer.start("--allow-loopback-webhooks")
        assert not deliverer.key, "it makes none"
        async with receiving() as receiver, first_caller(server) as caller:
            request = pb.CreateWebhookRequest(url=receiver.url, event_types=["task.cancelled"])
            await WebhookServiceStub(caller.channel).CreateWebhook(request)
            for count in (1, 2):
                task = await caller.create()
                await caller.cancel(task.task_id)
                await receiver.until(count)
        stubs = deliverer.connect(server.key)
        health = health_pb2_grpc.HealthStub(stubs.channel)
        answer = await health.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await stubs.tasks.GetTask(t.GetTaskRequest(task_id=task.task_id))
        assert refusal.value.code() == grpc.StatusCode.UNIMPLEMENTED
        await stubs.channel.close()
        assert await deliverer.stop() == 0
        assert any("draining" in line for line in deliverer.log)
    finally:
        await asyncio.gather(server.kill(), deliverer.kill())


async def test_without_postgresql_there_is_nothing_to_share_and_both_say_so_in_one_line():
    run = Command()
    for words in (("deliver",), ("serve", "--no-deliveries")):
        result = await run(*words, "--store", "sqlite:///x.db")
        assert result.status == 2
        assert result.err.count("\n") == 1
        assert "PostgreSQL" in result.err
