"""`countermand serve` without one of the things that it does for each cancel.

`server_without.py NAME serve ...`: the functions in PARTS of that name do nothing. It is for
measuring what they cost, and for nothing else: what they promise does not hold.
"""

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

Part = dict[str, Callable[..., Any]]


def _nothing(*_: object, **__: object) -> None:
    pass


def _log_no_records(rows: Any) -> None:
    rows.saves.to_log.clear()


def _size_of_log(presence: Any) -> int:
    return os.stat(presence._log).st_size


PARTS: dict[str, Part] = {
    "all": {},
    "metrics": {
        "countermand.app.commit_metrics:CommitCounter.__call__": _nothing,
        "countermand.telemetry.metrics:_Calls.ended": _nothing,
    },
    "events of cancellations": {"countermand.core.decide:number_records": _log_no_records},
    "limits of keys": {
        "countermand.rpc.guard.limits:CallLimits.admit": _nothing,
        "countermand.rpc.guard.limits:CallLimits.weigh": _nothing,
    },
    "a look at the store's files": {
        "countermand.store.sqlite.file.presence:Presence.look": _size_of_log
    },
    "log lines": {"logging:Logger.info": _nothing},
}


def owner_of(path: str) -> tuple[Any, str]:
    """Answers what has the thing of a path, and its name there. Raises AttributeError without."""
    module, _, names = path.partition(":")
    *outer, name = names.split(".")
    owner = importlib.import_module(module)
    for step in outer:
        owner = getattr(owner, step)
    getattr(owner, name)
    return owner, name


def main() -> None:
    """Serves, with the arguments of `countermand` behind the name."""
    name = sys.argv.pop(1)
    for path, instead in PARTS[name].items():
        owner, attribute = owner_of(path)
        setattr(owner, attribute, instead)
    from countermand.cli.main import app_entry

    app_entry()


if __name__ == "__main__":
    main()
