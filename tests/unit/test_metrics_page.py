"""The page of metrics and the registry say the same."""

import re

import pytest

from countermand.telemetry.instrument import Instrument
from countermand.telemetry.instruments import OWN, PROCESS
from countermand.telemetry.metrics import Metrics
from tests.support.pages import PROJECT

PAGE = (PROJECT / "docs/operations/metrics.md").read_text().partition("## Dashboard and alerts")[0]


def rows(page: str) -> list[list[str]]:
    """The rows of all tables, without their heads."""
    found = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("| `")]
    return [[cell.strip().replace("`", "") for cell in row] for row in found]


def row_of(one: Instrument) -> list[str]:
    bounds = ", ".join(f"{bound:g}" for bound in one.buckets)
    said = f"{one.help} Bounds: {bounds}." if bounds else one.help
    return [one.shown, one.name, one.kind, one.unit, ", ".join(one.shown_labels), said]


def test_the_page_has_every_metric_as_it_is():
    assert [row for row in rows(PAGE) if len(row) == 6] == [row_of(one) for one in OWN]


def test_the_page_has_what_is_sent_of_the_process():
    sent = [row for row in rows(PAGE) if len(row) == 4 and row[1] != "not sent"]
    assert sent == [[one.shown, one.name, one.kind, one.help] for one in PROCESS]


def test_the_registry_has_what_the_page_names_and_nothing_else():
    metrics = Metrics()
    names = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in metrics.registry.collect()
    }
    assert names == {row[0] for row in rows(PAGE)}
    kinds = {family.name: family.type for family in metrics.registry.collect()}
    for row in rows(PAGE):
        assert kinds[row[0].removesuffix("_total")] == row[2]


@pytest.mark.parametrize("one", OWN, ids=lambda one: one.name)
def test_names_are_as_both_systems_want_them(one: Instrument):
    assert re.fullmatch(r"[a-z]+(\.[a-z_]+)+", one.name)
    assert re.fullmatch(r"[a-z][a-z_]*", one.shown)
    assert one.help.endswith(".")
    assert list(one.buckets) == sorted(set(one.buckets))


def test_a_series_stands_ready_for_each_value_that_is_known():
    text, _ = Metrics().render("")
    for one in OWN:
        for value in one.values:
            assert f'{one.shown_labels[0]}="{value}"'.encode() in text
