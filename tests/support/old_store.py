"""Stores as older programs left them: with the schema of then, and rows put in by hand."""

import sqlite3
from pathlib import Path
from typing import Any

from countermand.store.sql.rows.labels import label_digest
from countermand.store.sqlite.statements import migrations


class OldStore:
    """A file with an older schema. Use it in a `with`; then a program may open it."""

    def __init__(self, path: Path, schema: int) -> None:
        """Makes the file with the first so many migrations, and one namespace in it."""
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.create_function("label_digest", 2, label_digest)
        for number, sql in migrations()[:schema]:
            self._connection.executescript(
                f"BEGIN;\n{sql}\nPRAGMA user_version = {number};\nCOMMIT;"
            )
        self.add("namespaces", tenant="default", environment="sandbox", last_seq=99)

    def add(self, table: str, **row: Any) -> None:
        """Puts in a row; other columns have their default."""
        marks = ", ".join("?" * len(row))
        self._connection.execute(
            f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values())
        )

    def __enter__(self) -> "OldStore":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
