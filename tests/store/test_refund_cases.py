"""What can happen to a task and its money, kept and read back by a store: task, history, results,
lists and summary all say what the API says. All combinations are tried with the rules alone."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from countermand.core import commands as c
from countermand.core.errors import Refused
from countermand.core.states import Disposition, RefundState, SummaryKey, TaskState
from countermand.rpc.wire.enums import DISPOSITIONS, REFUND_STATES
from countermand.rpc.wire.render.cancellations import render_cancellation
from countermand.store.lists import TaskQuery
from tests.store.conftest import STORES
from tests.support.ask import NS, reap
from tests.support.knobs import PRODUCTION
from tests.support.refund_cases import (
    BEFORE,
    LAST,
    LATE,
    REAPED,
    REAPING,
    SETTLING,
    Case,
    cases,
    expected,
    stages,
)
from tests.support.stores import Keeper, shown

pytestmark = pytest.mark.asyncio(loop_scope="module")

STEP = 5
"""One case in so many is played: all ends come, and all last words, but not each with each."""
CASES = list(cases())[::STEP]
BATCH = 1000


class Played:
    """A store in which all cases were played, each stage of all of them together."""

    def __init__(self, keeper: Keeper) -> None:
        self.keeper = keeper
        self.refusals: dict[int, list[str]] = {case.number: [] for case in CASES}
        self.cancellations: dict[int, str] = {}
        """The covering cancel of each case."""
        self.delivered: dict[str, list[Any]] = {case.task_id: [] for case in CASES}
        """Every version, as it was decided."""

    async def play(self) -> None:
        plans = [stages(case) for case in CASES]
        for place in range(len(plans[0])):
            due = [
                (case, command)
                for case, plan in zip(CASES, plans, strict=True)
                for command in plan[place]
            ]
            for start in range(0, len(due), BATCH):
                await self._commit(due[start : start + BATCH], place)
            if place == REAPING:
                self.keeper.now += REAPED
                await self._note(await self.keeper.commit([reap(len(CASES))]))

    async def _commit(self, due: list[tuple[Case, c.Command]], place: int) -> None:
        batch = await self.keeper.commit(command for _, command in due)
        await self._note(batch)
        for (case, _), answer in zip(due, batch.answers, strict=True):
            refusal = str(answer.reason) if isinstance(answer, Refused) else ""
            if place in (LATE, SETTLING, LAST):
                self.refusals[case.number].append(refusal)
            else:
                assert not refusal, case
            if hasattr(answer, "cancellation"):
                self.cancellations[case.number] = answer.cancellation.cancellation_id

    async def _note(self, batch: Any) -> None:
        for event in batch.saves.events:
            if event.task is not None:
                self.delivered[event.task.task_id].append(event.task)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=STORES)
async def played(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Played]:
    """Made once for all tests of this file, which only read."""
    folder = tmp_path_factory.mktemp("cases")
    with STORES[request.param](request, folder, PRODUCTION.store) as make:
        keeper = Keeper(make())
        await keeper.store.open(keeper.now)
        await keeper.settle_in()
        played = Played(keeper)
        await played.play()
        yield played
        await keeper.store.close()


async def test_the_last_words_are_taken_or_refused_as_the_api_says(played: Played) -> None:
    for case in CASES:
        said = (case.late, case.outcome, case.last)
        refused = zip(said, expected(case).refusals, strict=True)
        assert played.refusals[case.number] == [reason for word, reason in refused if word], case


async def test_a_task_and_each_of_its_versions_say_what_the_api_says(played: Played) -> None:
    for case in CASES:
        history = await played.keeper.store.history(NS, case.task_id, 0, 100)
        assert history is not None
        versions = [event.task for event in history.events if event.task is not None]
        assert [shown(task) for task in versions] == list(
            map(shown, played.delivered[case.task_id])
        )
        assert [task.version for task in versions] == list(range(1, len(versions) + 1)), case
        ended = [(task.charge_state, task.refund_state) for task in versions if task.ended]
        assert ended == expected(case).money, case
        assert history.task == versions[-1].evolve(
            fence=history.task.fence,
            fence_raised=history.task.fence_raised,
            late_reports=history.task.late_reports,
        )


async def test_the_result_of_the_covering_cancel_says_what_the_task_says(played: Played) -> None:
    for case in CASES:
        if case.cover == "none":
            continue
        cancellation_id = played.cancellations[case.number]
        reading = await played.keeper.store.cancellation(NS, cancellation_id)
        assert reading is not None
        (result,) = render_cancellation(*reading).results
        _, refund = expected(case).money[-1]
        assert result.refund_state == REFUND_STATES[refund], case
        assert result.refund_required is (refund is RefundState.REQUIRED), case
        stopped = case.when == BEFORE and case.state is TaskState.CANCELLED
        disposition = Disposition.STOPPED if stopped else Disposition.SKIPPED
        assert result.disposition == DISPOSITIONS[disposition], case


@pytest.mark.parametrize("refund", [None, *RefundState])
async def test_a_list_by_refund_state_has_those_tasks_and_no_other(
    played: Played, refund: RefundState | None
) -> None:
    found, before = [], None
    while True:
        query = TaskQuery(refund_state=refund)
        page = await played.keeper.store.tasks(NS, query, before, BATCH)
        found += page.tasks
        before = page.next_number
        if before is None:
            break
    wanted = {case.task_id: expected(case).money[-1] for case in CASES}
    assert {task.task_id: (task.charge_state, task.refund_state) for task in found} == {
        id: money for id, money in wanted.items() if refund in (None, money[1])
    }
    assert len({task.task_id for task in found}) == len(found)


async def test_the_summary_by_refund_counts_each_task_once(played: Played) -> None:
    summary = await played.keeper.store.summary(NS, None, None, SummaryKey.REFUND)
    assert summary == Counter(expected(case).money[-1][1].value for case in CASES)
