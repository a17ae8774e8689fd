"""What a commit loads and saves of webhooks. Runs on the writer's thread."""

import json
import sqlite3
from typing import Any

from countermand.core.changes import Saves
from countermand.core.webhook_rows import LoadedWebhooks, Stale, StaleSearch, WantedWebhooks
from countermand.core.webhooks import MAX_KEPT_DELIVERIES
from countermand.store.sql.rows.ids import uuid_bytes, uuid_text
from countermand.store.sql.rows.webhooks import (
    read_delivery,
    read_endpoints,
    read_notice,
    write_delivery,
    write_notice,
    write_webhook,
)
from countermand.store.sql.session import Parameters
from countermand.store.sqlite.chunks import run_in_chunks
from countermand.store.sqlite.statements import statements


class WebhookTables:
    """The tables of webhooks, on the one connection that writes."""

    def __init__(self, connection: sqlite3.Connection, max_rows: int) -> None:
        self._connection = connection
        self._max_rows = max_rows

    def load(self, wanted: WantedWebhooks) -> LoadedWebhooks:
        """Returns what is wanted, as far as it exists."""
        return LoadedWebhooks(
            map(read_endpoints, self._read("load_endpoints", [(n,) for n in wanted.endpoints])),
            map(
                read_delivery,
                self._read(
                    "load_deliveries",
                    [(namespace, uuid_bytes(id), n) for namespace, id, n in wanted.deliveries],
                ),
            ),
            map(read_notice, self._read("load_notices", list(wanted.notices))),
            None if wanted.stale is None else self._search(wanted.stale),
        )

    def save(self, saves: Saves) -> None:
        """Saves what a batch changed."""
        self._write("insert_notices", [write_notice(notice) for notice in saves.notices])
        self._write("save_outboxes", list(saves.outboxes.items()))
        changes = saves.webhooks
        if changes is None:
            return
        self._write("save_webhooks", list(map(write_webhook, changes.webhooks.values())))
        self._write("save_deliveries", list(map(write_delivery, changes.deliveries.values())))
        self._write(
            "delete_deliveries",
            [(namespace, uuid_bytes(id), n) for namespace, id, n in changes.removed_deliveries],
        )
        for namespace, webhook_id in changes.deleted:
            for name in ("delete_deliveries_of", "delete_webhook"):
                self._connection.execute(statements()[name], (namespace, uuid_bytes(webhook_id)))
        for dropped in changes.dropped.items():
            self._connection.execute(statements()["delete_notices"], dropped)

    def _search(self, search: StaleSearch) -> Stale:
        asked = search._asdict() | {"kept": MAX_KEPT_DELIVERIES}
        ended = self._one("load_ended_deliveries", asked)
        return Stale(
            [(number, time, type) for number, time, type in self._one("load_old_notices", asked)],
            list(map(read_delivery, self._one("load_expired_deliveries", asked))),
            [(search.namespace, str(uuid_text(id)), number) for id, number in ended],
        )

    def _one(self, name: str, parameters: dict[str, Any]) -> list[Any]:
        (value,) = self._connection.execute(statements()[name], parameters).fetchone()
        found: list[Any] = json.loads(value)
        return found

    def _read(self, name: str, wanted: list[Parameters]) -> list[Any]:
        found: list[Any] = []
        if wanted:
            for cursor in run_in_chunks(self._connection, name, wanted, self._max_rows):
                found += json.loads(cursor.fetchone()[0])
        return found

    def _write(self, name: str, changed: list[Parameters]) -> None:
        if changed:
            for _ in run_in_chunks(self._connection, name, changed, self._max_rows):
                pass
