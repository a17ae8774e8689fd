"""What a commit loads and saves of webhooks. Runs on the writer's thread."""

from collections.abc import Callable

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
from countermand.store.sql.session import Session, value_of, values_of


class WebhookTables:
    """The tables of webhooks, on the one connection that writes."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def start(self, wanted: WantedWebhooks) -> Callable[[], LoadedWebhooks]:
        """Starts to load what is wanted. Returns what takes it, as far as it exists."""
        run = self._session.execute_rows
        endpoints = run("load_endpoints", [(namespace,) for namespace in wanted.endpoints])
        deliveries = run(
            "load_deliveries",
            [(namespace, uuid_bytes(id), n) for namespace, id, n in wanted.deliveries],
        )
        notices = run("load_notices", list(wanted.notices))
        stale = None if wanted.stale is None else self._search(wanted.stale)
        return lambda: LoadedWebhooks(
            map(read_endpoints, values_of(endpoints)),
            map(read_delivery, values_of(deliveries)),
            map(read_notice, values_of(notices)),
            None if stale is None else stale(),
        )

    def save(self, saves: Saves) -> None:
        """Starts to save what a batch changed."""
        run = self._session.execute_rows
        run("insert_notices", [write_notice(notice) for notice in saves.notices])
        run("save_outboxes", list(saves.outboxes.items()))
        changes = saves.webhooks
        if changes is None:
            return
        run("save_webhooks", list(map(write_webhook, changes.webhooks.values())))
        run("save_deliveries", list(map(write_delivery, changes.deliveries.values())))
        run(
            "delete_deliveries",
            [(namespace, uuid_bytes(id), n) for namespace, id, n in changes.removed_deliveries],
        )
        for namespace, webhook_id in changes.deleted:
            for name in ("delete_deliveries_of", "delete_webhook"):
                self._session.execute(name, (namespace, uuid_bytes(webhook_id)))
        for dropped in changes.dropped.items():
            self._session.execute("delete_notices", dropped)

    def _search(self, search: StaleSearch) -> Callable[[], Stale]:
        asked = search._asdict() | {"kept": MAX_KEPT_DELIVERIES}
        old, expired, ended = (
            self._session.execute(name, asked)
            for name in ("load_old_notices", "load_expired_deliveries", "load_ended_deliveries")
        )
        return lambda: Stale(
            [(number, time, type) for number, time, type in value_of(old)],
            list(map(read_delivery, value_of(expired))),
            [(search.namespace, str(uuid_text(id)), number) for id, number in value_of(ended)],
        )
