"""The verdict on a run: every check, and whether the run counts at all."""

from tests.chaos.robustness.checks import check
from tests.chaos.robustness.checks.linear import BUDGET
from tests.chaos.robustness.checks.verdict import Promise, Verdict, Violation
from tests.chaos.robustness.run import Played


async def judge(played: Played, budget: int = BUDGET) -> Verdict:
    """Holds a run to all promises. Its history and its file are left beside each other."""
    verdict = check(played.history, played.truth, budget)
    verdict.unfinished += played.shortfalls
    verdict.violations += [Violation(Promise.GOES_ON, what) for what in played.broken]
    if not played.truth.problems:
        verdict.violations += await played.kept.check_rows(played.truth)
    if not verdict.passed:
        played.history.write(played.kept.folder / "history.txt")
    return verdict
