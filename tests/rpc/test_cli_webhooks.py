"""The commands of webhooks, as somebody who tries them out uses them: all of them, one story."""

import asyncio
import json
from pathlib import Path

from tests.support.command import Command, finish
from tests.support.ports import free_port
from tests.support.server import started


async def test_a_webhook_is_made_tried_heard_rotated_stopped_and_taken_away(tmp_path: Path):
    port = free_port()
    async with started(tmp_path, "--allow-loopback-webhooks") as server:
        command = Command(COUNTERMAND_SERVER=server.address, COUNTERMAND_API_KEY=server.key)

        async def done(*words: str) -> str:
            result = await command("webhooks", *words)
            assert (result.status, result.err) == (0, "")
            return result.out

        url = f"http://127.0.0.1:{port}/hook"
        webhook, secret = (await done("create", url, "--name", "mine")).split()
        listening = await command.start(
            *("webhooks", "listen", "--listen", f"127.0.0.1:{port}", "--count", "2"),
            *("--secret", secret),
        )
        assert b"listening on" in await listening.stderr.readline()
        tried = dict(line.split(maxsplit=1) for line in (await done("test", webhook)).splitlines())
        assert tried["event"] == "webhook.test"
        first = json.loads(await asyncio.wait_for(listening.stdout.readline(), 20))
        assert (first["type"], first["data"]["webhook_id"]) == ("webhook.test", webhook)

        delivered = [
            json.loads(line) for line in (await done("deliveries", webhook, "--json")).splitlines()
        ]
        assert [one["event_type"] for one in delivered] == ["webhook.test"]
        assert delivered[0]["delivery_id"] in await done("deliveries", webhook)
        await done("redeliver", webhook, delivered[0]["delivery_id"])
        again = await asyncio.wait_for(finish(listening), 20)
        assert (again.status, json.loads(again.out)) == (0, first)

        other = (await done("rotate", webhook)).split()
        assert other[0] == webhook
        assert other[1] != secret
        assert "DISABLED" in await done("disable", webhook)
        assert "requested" in await done("list")
        assert "ENABLED" in await done("enable", webhook)
        assert not {secret, other[1]} & set((await done("list", "--json")).split('"'))
        await done("delete", webhook)
        assert await done("list", "--json") == ""
        gone = await command("webhooks", "delete", webhook)
        assert gone.status == 1
        assert "WEBHOOK_NOT_FOUND" in gone.err
        assert secret not in "".join(server.log)
