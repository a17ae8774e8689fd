"""A connection whose steps a test counts, though a commit watches them too."""

import sqlite3
from typing import Any


class Counted:
    """A connection of SQLite that leaves the test's progress handler in place."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def set_progress_handler(self, handler: object, steps: int) -> None:
        """Does nothing: a commit would end the counting."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)
