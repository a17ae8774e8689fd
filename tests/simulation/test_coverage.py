"""What histories are made of is all that there is, but for what is left out for a reason."""

from countermand.core.decide import RULES
from tests.simulation import coverage
from tests.simulation.faults import Faults
from tests.simulation.knobs import UNUSED, draw_knobs
from tests.simulation.script import FAULTS
from tests.support.knobs import PRODUCTION, each

SEEDS = 300


def test_every_command_of_the_core_is_given_in_histories():
    assert {command.__name__ for command in RULES} == set(coverage.COMMANDS)


def test_every_bound_is_drawn_down_to_its_least_or_kept_for_a_reason():
    least: dict[str, float] = {}
    for seed in range(SEEDS):
        for path, value in draw_knobs(seed).items():
            least[path] = min(value, least.get(path, value))
    assert least == coverage.drawn_bounds()
    kept = {path for path, _ in each(PRODUCTION)} - set(least)
    reasons = {**coverage.CANNOT, **UNUSED}
    assert all(path.startswith(tuple(reasons)) for path in kept)


def test_every_fault_is_of_a_border_and_can_be_inflicted():
    named = {name for names in coverage.BORDERS.values() for name in names if " " not in name}
    assert named == set(FAULTS)
    assert all(callable(getattr(Faults, name)) for name in FAULTS)


def test_what_no_history_did_is_missed():
    everything = {*coverage.COMMANDS, *coverage.methods(), *FAULTS}
    assert coverage.missing(everything) == []
    assert coverage.missing(everything - {"WatchOrder", "Purge", "crash"}) == [
        "Purge",
        "WatchOrder",
        "crash",
    ]


def test_the_list_names_every_command_method_fault_and_bound():
    printed = "\n".join(coverage.lines())
    named = {*coverage.COMMANDS, *coverage.methods(), *FAULTS, *coverage.drawn_bounds()}
    assert [name for name in sorted(named) if name not in printed] == []
