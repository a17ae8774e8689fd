"""Which server delivers to which endpoint of webhooks, where several share a database.

A claim is granted and judged by the clock of the database alone. To renew one locks its own row.
To take an endpoint that is free locks the tenant's row in `positions` first, as each commit does:
so it comes before or behind whatever the server before it writes down, and never in its midst. What
is locked is passed by, and taken the next time. A commit waits for no claim longer than that takes
to be committed.
"""

import json
from uuid import UUID

import psycopg

from countermand.core.records import SECOND
from countermand.core.webhooks import WebhookState
from countermand.store.postgres.database import Database
from countermand.store.postgres.failures import write_failed
from countermand.store.postgres.link import Link
from countermand.store.postgres.session import SnapshotSession
from countermand.store.sql.reader_pool import Readers
from countermand.store.sql.reading_operator import OperatorReader
from countermand.store.webhooks import Held, Holdings

_MINE = """
WITH mine AS (
    SELECT namespace_no, webhook_id FROM webhook_claims WHERE claimed_by = $1::text
    FOR NO KEY UPDATE SKIP LOCKED
)
"""
_OF_MINE = """
FROM mine AS m WHERE c.namespace_no = m.namespace_no AND c.webhook_id = m.webhook_id
"""
RENEW = f"""
{_MINE}
UPDATE webhook_claims AS c
SET claimed_until = clock_timestamp() + $2::bigint * interval '1 microsecond'
{_OF_MINE}
RETURNING c.namespace_no, c.webhook_id, c.claim
"""
RELEASE = f"{_MINE} UPDATE webhook_claims AS c SET claimed_until = '-infinity' {_OF_MINE}"
_FREE = """
FROM webhooks AS k LEFT JOIN webhook_claims AS c
    ON c.namespace_no = k.namespace_no AND c.webhook_id = k.webhook_id
WHERE (c.claim IS NULL OR c.claimed_until < clock_timestamp())
"""
# Any of them: the same ones may be locked each time.
LOCK = f"""
SELECT namespace_no FROM positions WHERE namespace_no = ANY (ARRAY(
    SELECT n FROM (SELECT DISTINCT k.namespace_no AS n {_FREE}) AS free
    ORDER BY random() LIMIT $1::bigint
))
ORDER BY namespace_no FOR NO KEY UPDATE SKIP LOCKED
"""
TAKE = f"""
INSERT INTO webhook_claims AS o (namespace_no, webhook_id, claim, claimed_by, claimed_until)
SELECT k.namespace_no, k.webhook_id, 1, $1::text,
    clock_timestamp() + $2::bigint * interval '1 microsecond'
{_FREE} AND k.namespace_no = ANY (ARRAY(SELECT json_array_elements_text($3::json)::bigint))
ON CONFLICT (namespace_no, webhook_id) DO UPDATE SET claim = o.claim + 1,
    claimed_by = excluded.claimed_by, claimed_until = excluded.claimed_until
WHERE o.claimed_until < clock_timestamp()
RETURNING namespace_no, webhook_id, claim
"""
HELD = """
SELECT k.namespace_no, k.webhook_id, c.claim, k.revision, p.last_notice, k.state
FROM webhook_claims AS c
JOIN webhooks AS k ON k.namespace_no = c.namespace_no AND k.webhook_id = c.webhook_id
JOIN positions AS p ON p.namespace_no = c.namespace_no
WHERE c.claimed_by = $1::text
"""
ANY_FREE = f"SELECT EXISTS (SELECT 1 {_FREE})"


class PostgresClaims:
    """See countermand.store.webhooks.WebhookClaims."""

    def __init__(self, database: Database, readers: Readers) -> None:
        self._database = database
        self._readers = readers

    async def claim(self, by: str, seconds: float, limit: int) -> list[tuple[int, str, int]]:
        """See the contract."""
        span = round(seconds * SECOND)
        try:
            return await self._database.write(lambda link: _claim(link, by, span, limit))
        except psycopg.Error as error:
            raise write_failed(error) from error

    async def holdings(self, by: str) -> Holdings:
        """See the contract."""
        return await self._readers.read(0, lambda reader: _holdings(reader, by))

    async def release(self, by: str) -> None:
        """See the contract."""
        try:
            await self._database.write(lambda link: _release(link, by))
        except psycopg.Error as error:
            raise write_failed(error) from error


def _claim(link: Link, by: str, span: int, limit: int) -> list[tuple[int, str, int]]:
    link.start("BEGIN", keep=True)
    renewing = link.start(RENEW, [by, span], keep=True)
    locking = link.start(LOCK, [limit], keep=True)
    namespaces = [namespace for (namespace,) in locking.all()]
    answers = [renewing]
    if namespaces:  # A statement of its own, to see what was committed before they were locked.
        answers.append(link.start(TAKE, [by, span, json.dumps(namespaces)], keep=True))
    link.commit()
    return [(row[0], str(UUID(bytes=row[1])), row[2]) for one in answers for row in one.all()]


def _release(link: Link, by: str) -> None:
    link.start("BEGIN", keep=True)
    link.start(RELEASE, [by], keep=True)
    link.commit()


def _holdings(reader: OperatorReader, by: str) -> Holdings:
    session = reader.session
    assert isinstance(session, SnapshotSession)
    assert session.link is not None
    holding = session.link.start(HELD, [by], keep=True)
    looking = session.link.start(ANY_FREE, keep=True)
    held = [
        Held(namespace, str(UUID(bytes=id)), claim, revision, last, WebhookState(state))
        for namespace, id, claim, revision, last, state in holding.all()
    ]
    [(any_free,)] = looking.all()
    return Holdings(held, any_free)
