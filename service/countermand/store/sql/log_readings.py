"""The readings of who follows what other servers commit, on threads of their own."""

from collections.abc import Collection

from countermand.store.shared_logs import LogChanges, LogEnd
from countermand.store.sql.reader_pool import Readers


class LogReadings:
    """The part of countermand.store.shared_logs.SharedLogs that reads."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def log_ends(self, namespaces: Collection[int] | None) -> dict[int, LogEnd]:
        """See countermand.store.shared_logs.SharedLogs."""
        return await self._readers.read(0, lambda reader: reader.log_ends(namespaces))

    async def log_changes(self, namespace: int, after: int, through: int, limit: int) -> LogChanges:
        """See countermand.store.shared_logs.SharedLogs."""
        return await self._readers.read(
            namespace, lambda reader: reader.log_changes(namespace, after, through, limit)
        )
