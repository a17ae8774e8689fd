"""Which kind of store an address names."""

POSTGRES = ("postgresql:", "postgres:")
NEEDS_PSYCOPG = "a store on PostgreSQL needs psycopg: pip install 'countermand[postgres]'"
LOOKED_AFTER_ELSEWHERE = (
    "this is for a store on SQLite; one on PostgreSQL is backed up, restored and compacted with"
    " PostgreSQL's own tools: see docs/operations/postgresql.md"
)


def is_postgres(url: str) -> bool:
    """Whether the address is that of a database, well-formed or not."""
    return url.lower().startswith(POSTGRES)


def shown(url: str) -> str:
    """Returns an address as it may be shown: in printable letters, and without a password."""
    scheme, found, rest = url.partition("://")
    if found and "@" in rest:
        url = f"{scheme}://***@{rest.rpartition('@')[2]}"
    return url if url.isprintable() else ascii(url)
