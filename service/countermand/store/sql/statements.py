"""The statements of one dialect, read from its files once."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property
from importlib.resources import files
from typing import NamedTuple

from countermand.store.sql.columns import WRITTEN

FILES = ("commit.sql", "purge.sql", "read.sql", "webhooks.sql")
SHARED = "namespaces.sql"
"""Texts that statements have in common, each filled in where its name stands in braces."""
SCOPES = "scopes.sql"
"""Which tasks a holder has, or a filter without one."""
RULES = "check.sql"
"""What must hold of the rows of a store."""
WIDER = {"group": ("checkout", "order", "agent"), "checkout": ("order", "agent")}
"""What else a filter may say of a task when a scope drives the reading; mostly the agent alone."""


class Dialect(NamedTuple):
    """How one database says what all say."""

    package: str
    """The package that has its files: FILES, SHARED, SCOPES, and `migrations/`."""
    fragments: Mapping[str, str]
    """Texts by the names that stand for them in braces; `read_fragments` gives their columns."""
    filters: Mapping[str, str]
    """Whether a task `t` is of the group, checkout, order or agent that a filter may name."""
    parameter: Callable[[str], str]
    """Returns how a parameter of that name is written."""
    rows: Callable[[str, int, int], str]
    """Returns what stands for {rows} in a text: so many rows of parameters, of that width."""


class Statements:
    """Every statement of a dialect.

    A statement named `list_{scope} for group order` is two: list_group and list_order.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.with_rows = cache(self._with_rows)
        """Returns a statement, by its name, for so many rows of parameters of a width."""

    @cached_property
    def texts(self) -> dict[str, str]:
        """Every text by its name; `{rows}` is left for `with_rows`."""
        scopes = dict(self._blocks(SCOPES))
        shared = {**WRITTEN, **self._dialect.fragments, **dict(self._blocks(SHARED))}
        found = {}
        for file in FILES:
            for name, body in self._blocks(file):
                title, _, listed = name.partition(" for ")
                for scope in listed.split() or [""]:
                    fragments = self._scope(scope, scopes.get(scope, ""))
                    text = _filled(body, shared | fragments)
                    found[title.replace("{scope}", scope)] = text
        return found

    def rules(self, fragments: Mapping[str, str]) -> dict[str, str]:
        """Returns what must hold of a store's rows: for each rule a statement that counts what
        breaks it."""
        return {name: _filled(body, fragments) for name, body in self._blocks(RULES)}

    def migrations(self) -> list[tuple[int, str]]:
        """Returns the schema's steps, numbered from 1 and in order."""
        folder = files(self._dialect.package).joinpath("migrations")
        names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
        return [(int(name[:4]), folder.joinpath(name).read_text("utf-8")) for name in names]

    def _with_rows(self, name: str, rows: int, width: int) -> str:
        text = self.texts[name]
        return text.replace("{rows}", self._dialect.rows(text, rows, width))

    def _scope(self, scope: str, text: str) -> dict[str, str]:
        """Returns the fragments of a scope: of one that is read, and of those a commit wants."""
        parameter, filters = self._dialect.parameter, self._dialect.filters
        one = {
            "of_target": "",
            "wanted": "",
            "namespace_no": parameter("namespace_no"),
            "holder_id": parameter(f"{scope}_id"),
        }
        many = {
            "of_target": "w.target, ",
            "wanted": "wanted AS w CROSS JOIN ",
            "namespace_no": "w.namespace_no",
            "holder_id": "w.id",
        }
        return {
            "scope": scope,
            "tasks_of_scope": _filled(text, one),
            "tasks_of_wanted": _filled(text, many),
            "chosen": " AND ".join(filters[wider] for wider in WIDER.get(scope, ("agent",))),
            "filter": " AND ".join(filters.values()),
        }

    def _blocks(self, file: str) -> Iterator[tuple[str, str]]:
        """Yields the name and the text of everything in a file of SQL."""
        text = files(self._dialect.package).joinpath(file).read_text(encoding="utf-8")
        for block in text.split("-- name: ")[1:]:
            name, _, body = block.partition("\n")
            yield name.strip(), body.strip()


def _filled(text: str, fragments: Mapping[str, str]) -> str:
    for fragment, sql in fragments.items():
        text = text.replace(f"{{{fragment}}}", sql)
    return text
