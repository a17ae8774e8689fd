"""The checker sees: each bug that is planted into the server is found, and most by one run.

What is acknowledged before its sync shows only when power is cut; a kill -9 leaves it whole.
"""

import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.chaos.robustness import unsynced
from tests.chaos.robustness.judge import judge
from tests.chaos.robustness.run import Plan, Run

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

RUNS = 16
"""After how many runs a bug counts as not found. A run finds each of them in most cases."""
SEED = int(os.environ.get("COUNTERMAND_SEED", "0"))


class Bug(NamedTuple):
    """A bug of tests.chaos.planted, and what shows it; or two bugs that show apart."""

    name: str
    breaks: set[str]
    """The promises of which one at least must be seen to break."""
    faults: tuple[str, ...] = ()
    """What is done before the kill -9 that ends each of these runs."""
    likes: dict[str, int] = {}  # noqa: RUF012 - a NamedTuple's default is never changed
    seconds: float = 0.0
    """How long traffic goes on before each fault, and after the last."""
    also: frozenset[str] | set[str] = frozenset()
    """Of two bugs, the promises of which one must be seen to break by the second."""

    def is_found(self, broken: set[str]) -> bool:
        return bool(self.breaks & broken) and (not self.also or bool(self.also & broken))


EARLY = {"P2 un-seen", "P4 linearizable", "P9 resumable", "P17 begins with the present"}
BUGS = [
    Bug("publish_before_commit", EARLY),
    Bug("skipped_version", {"P7 reliable"}),
    Bug("duplicate_delivery", {"P6 unique"}),
    Bug("acknowledged_before_commit", {"P1 durable", "P4 linearizable"}, seconds=1.0),
    Bug("lost_request_id", {"P1 durable"}),
    Bug(
        "torn_group_cancel",
        {"P3 atomic"},
        likes={"create_group": 20, "cancel_group": 15, "list_some": 30},
    ),
    Bug("dirty_read", {"P2 un-seen", "P4 linearizable"}),
    Bug("late_word", {"P29 one end"}, likes={"cancel_task": 20, "finish_task": 30}, seconds=2.0),
    Bug("resume_skips", {"P7 reliable", "P9 resumable"}),
    Bug(
        "record_skips,join_takes_over",
        {"P7 reliable", "P9 resumable"},
        likes={"join_a_cancel": 15},
        also={"P2 un-seen"},
    ),
    Bug(
        "record_as_it_is,lost_join",
        {"P2 un-seen"},
        likes={"update_order": 20, "cancel_order": 10, "join_a_cancel": 20},
        also={"joins"},
    ),
    Bug(
        "record_stutters,record_resumes_late",
        {"P6 unique"},
        also={"P2 un-seen", "P9 resumable"},
    ),
    Bug(
        "charge_after_cancel", {"money"}, likes={"begin_charge": 30, "cancel_task": 20}, seconds=1.0
    ),
    Bug("undone_work_stands", {"money", "P3 atomic"}, likes={"undo_a_sale": 20}),
    Bug("settled_twice", {"money"}, likes={"begin_charge": 20, "settle_refund": 40}, seconds=2.0),
    Bug(
        "lost_settlement",
        {"P1 durable", "P2 un-seen", "money"},
        likes={"begin_charge": 20, "settle_refund": 30},
        seconds=1.0,
    ),
    # What was cancelled before the fault is past its deadline by a second long before the end.
    Bug("forgotten_deadlines", {"deadline"}, ("kill -9",), {"cancel_task": 30}, seconds=3.0),
]


async def broken_by(bugs: str, seed: int, folder: Path, **plan: Any) -> set[str]:
    """Plays a run with bugs planted. Returns the promises that it broke."""
    program = ("tests.chaos.planted", bugs)
    fields = {"program": program, "faults": (), "ends": "kill -9", "knobs": {}} | plan
    played = await Run(Plan(seed, least=200, **fields), folder).play()
    verdict = await judge(played)
    print(f"seed {seed}: {verdict}")
    return verdict.promises


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
async def test_a_planted_bug_is_found(tmp_path, bug):
    broken: set[str] = set()
    for run in range(RUNS):
        folder = tmp_path / str(run)
        folder.mkdir()
        plan = {"faults": bug.faults, "likes": bug.likes, "seconds": bug.seconds}
        broken |= await broken_by(bug.name, SEED + run, folder, **plan)
        if bug.is_found(broken):
            return
    pytest.fail(f"{bug.name} was not found in {RUNS} runs")


@pytest.mark.skipif(not unsynced.library(), reason="Python has a SQLite of its own")
async def test_a_missing_sync_is_found_by_a_power_cut_and_by_no_kill(tmp_path):
    bugs = "note_unsynced,acknowledged_before_sync"
    for end, found in (("kill -9", set()), ("power cut", {"P1 durable"})):
        folder = tmp_path / end
        folder.mkdir()
        broken = await broken_by(bugs, SEED, folder, ends=end)
        assert broken & {"P1 durable"} == found
