"""Keys that are made, used, watched with, rotated and revoked, also by who hangs up over it.

What their users see is held here to what is promised: a key that is revoked on disk is refused on
this server at once, and its watches end.
"""

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import key_service_pb2 as k
from countermand.v1 import task_service_pb2 as t
from tests.chaos.robustness.checks.verdict import Promise
from tests.chaos.robustness.clients import Client
from tests.chaos.robustness.ending import insist
from tests.chaos.robustness.history import History
from tests.simulation.network import Channel, SimClient
from tests.simulation.script import STEP, TENANTS
from tests.support.caller import SCOPES

if TYPE_CHECKING:
    from tests.simulation.play import Play

PATIENCE = 5.0
"""Seconds after which what is promised at once counts as not kept, faults of the disk aside."""
LOOKS = 40


class KeyLives:
    """Lets keys live and die, one after another."""

    def __init__(self, play: "Play") -> None:
        self._play = play
        self.seen = History()
        """Apart from the others': these are refused for their keys."""

    def _client(self, name: str, tenant: str, key: str) -> Client:
        return SimClient(name, tenant, Channel(self._play.address), key, self.seen)

    async def live(self, who: str) -> None:
        """Makes a key, uses it, and revokes it."""
        chance, play = STEP.get(), self._play
        admin = self._client(who, TENANTS[0], play.admin)
        tenant = chance.choice(TENANTS)
        limits = k.KeyLimits(reads_per_second=chance.choice((0, 0, 1, 3)))
        request = k.CreateKeyRequest(
            tenant=tenant, environment="sandbox", scopes=SCOPES, limits=limits
        )
        made = await insist(admin, request)
        if made.reason == "STORE_FULL":
            return
        if not made.done:
            play.fail(Promise.STATUS, f"a key could not be made: {made.reason}")
            return
        user = self._client(f"{who}-user", tenant, made.answer.secret)
        watch = user.watch(c.WatchTasksRequest())
        await watch.read(chance.uniform(0, 0.3))
        await user.call(t.ListTasksRequest(page_size=1))
        revoke = k.RevokeKeyRequest(key_id=made.answer.key.key_id)
        most = 2 * (play.script.max_latency + play.script.max_hop)
        hang_up = chance.uniform(0, most) if chance.random() < 0.6 else None
        revoked = await admin.call(revoke, hang_up_after=hang_up)
        for _ in range(LOOKS):
            if revoked.done or self._is_revoked(revoke.key_id):
                break
            await watch.read(0.1)
        else:
            revoked = await insist(admin, revoke)
        if revoked.reason != "STORE_FULL":  # Then the key lives on, and its user was told so.
            await self._must_be_dead(user, watch)
        await watch.close()

    def _is_revoked(self, key_id: str) -> bool:
        """Whether the key is revoked on disk."""
        life = self._play.life
        reader = life.store.reader.connection
        if reader is not None:
            return _revoke_time(reader, key_id) is not None
        with closing(sqlite3.connect(life.path)) as db:
            return _revoke_time(db, key_id) is not None

    async def _must_be_dead(self, user: Client, watch: Any) -> None:
        play = self._play
        until = play.loop.time() + PATIENCE
        while play.loop.time() < until and watch.open:
            await watch.read(0.5)
        if watch.open:
            play.fail(Promise.STATUS, "the watch of a revoked key goes on")
        call = await user.call(t.ListTasksRequest(page_size=1))
        if not call.unknown and call.reason != "API_KEY_INVALID":
            play.fail(Promise.STATUS, f"a revoked key was answered {call.reason or call.code}")


def _revoke_time(db: sqlite3.Connection, key_id: str) -> int | None:
    query = "SELECT revoke_time FROM keys WHERE key_id = ?"
    (time,) = db.execute(query, (key_id,)).fetchone()
    return time  # type: ignore[no-any-return]
