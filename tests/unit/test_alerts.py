"""The alerts and the dashboard: each alert fires by its cause and by nothing else, and both name
only what there is."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from countermand.telemetry.instrument import Kind
from countermand.telemetry.instruments import OWN
from tests.support.alerts import RULES, fired, missing_promtool
from tests.support.pages import PROJECT
from tests.support.scrape import Scrape
from tests.support.scraped import Scraper

DASHBOARD = PROJECT / "deploy/grafana/countermand.json"
PAGE = (PROJECT / "docs/operations/metrics.md").read_text()
ALERTS = re.findall(r"(?m)^ +- alert: (\w+)$", RULES.read_text())
PROCESS = {"process_start_time_seconds", "process_open_fds", "process_max_fds"}
PROCESS |= {"process_resident_memory_bytes", "process_cpu_seconds_total"}
HERE = 'job="countermand",instance="a:9464"'
CALL = "rpc_server_call_duration_seconds"
CANCEL = 'rpc_method="countermand.v1.CancellationService/CancelTask"'
STOPPED = "countermand_cancel_duration_seconds_count"
REFUSED = "countermand_refusals_total"
COMMIT = "countermand_commit_duration_seconds_bucket"

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason=missing_promtool)


def series(name: str, *labels: str) -> str:
    return f"{name}{{{','.join((HERE, *labels))}}}"


# What an hour of a busy and healthy server looks like, a sample a minute.
HEALTHY: dict[str, str] = {
    series("up"): "1x60",
    series("process_start_time_seconds"): "1700000000x60",
    series("process_open_fds"): "500x60",
    series("process_max_fds"): "20000x60",
    series(f"{CALL}_count", CANCEL, 'rpc_status_code="OK"'): "0+6000x60",
    series(f"{CALL}_count", CANCEL, 'rpc_status_code="NOT_FOUND"'): "0+900x60",
    series(f"{CALL}_count", CANCEL, 'rpc_status_code="INTERNAL"', 'error_type="INTERNAL"'): "0x60",
    series(f"{CALL}_count", 'rpc_method="_OTHER"', 'rpc_status_code="UNAUTHENTICATED"'): "0x60",
    series(f"{CALL}_bucket", CANCEL, 'rpc_status_code="OK"', 'le="0.1"'): "0+5990x60",
    series(f"{CALL}_bucket", CANCEL, 'rpc_status_code="OK"', 'le="0.25"'): "0+6000x60",
    series(f"{CALL}_bucket", CANCEL, 'rpc_status_code="OK"', 'le="0.5"'): "0+6000x60",
    series(f"{CALL}_bucket", CANCEL, 'rpc_status_code="OK"', 'le="+Inf"'): "0+6000x60",
    series(COMMIT, 'le="0.1"'): "0+3000x60",
    series(COMMIT, 'le="0.25"'): "0+3000x60",
    series(COMMIT, 'le="0.5"'): "0+3000x60",
    series(COMMIT, 'le="+Inf"'): "0+3000x60",
    series("countermand_commit_failures_total", 'cause="full"'): "0x60",
    series("countermand_disk_free_bytes"): "50000000000x60",
    series("countermand_store_wal_size_bytes"): "4000000+1000x60",
    series("countermand_reaper_lag_seconds"): "0 0.2 0 0.1x57",
    series("countermand_commands_waiting"): "0 40 3 200 0x56",
    series("countermand_lease_outages_total"): "0x10 1x49",
    series(STOPPED, 'proof="ACKNOWLEDGED"'): "0+5000x60",
    series(STOPPED, 'proof="FORCED"'): "0+20x60",
    series(STOPPED, 'proof="AGENT_LOST"'): "0+5x60",
    series(STOPPED, 'proof="NEVER_STARTED"'): "0+900x60",
    series("countermand_watches_open"): "3000x60",
    series("countermand_watches_max"): "20000x60",
    series(REFUSED, 'reason="API_KEY_INVALID"'): "0+3x60",
    series(REFUSED, 'reason="RATE_LIMITED"'): "0+3x60",
    series("countermand_webhook_endpoints", 'state="ENABLED"'): "12x60",
    series("countermand_webhook_endpoints", 'state="FAILING"'): "0x7 1x2 0x50",
    series("countermand_webhook_endpoints", 'state="DISABLED"'): "3x60",
}


class Cause(NamedTuple):
    """What goes wrong, and what is said of it."""

    values: dict[str, str]
    summary: str


CAUSES: dict[str, Cause] = {
    "CountermandDown": Cause({series("up"): "1x10 0x49"}, "a:9464 does not answer."),
    "CountermandRestarts": Cause(
        {series("process_start_time_seconds"): "100x15 200 300 400 500x60"},
        "a:9464 started 4 times anew in 15 minutes.",
    ),
    "CountermandCallsFail": Cause(
        {
            series(
                f"{CALL}_count", CANCEL, 'rpc_status_code="INTERNAL"', 'error_type="INTERNAL"'
            ): "0+363x60"
        },
        "a:9464 fails 4.998% of its calls.",
    ),
    "CountermandCancelsSlow": Cause(
        {
            series(f"{CALL}_bucket", CANCEL, 'rpc_status_code="OK"', 'le="0.1"'): "0+5000x60",
            series(f"{CALL}_bucket", CANCEL, 'rpc_status_code="OK"', 'le="0.25"'): "0+5900x60",
        },
        "One cancel of a hundred takes 350ms at a:9464.",
    ),
    "CountermandCommitsSlow": Cause(
        {series(COMMIT, 'le="0.25"'): "0+2950x60", series(COMMIT, 'le="0.1"'): "0+2900x60"},
        "One commit of a hundred takes 350ms at a:9464.",
    ),
    "CountermandCommitsFail": Cause(
        {series("countermand_commit_failures_total", 'cause="full"'): "0x17 5x60"},
        "Commits of a:9464 fail: full.",
    ),
    "CountermandDiskLow": Cause(
        {series("countermand_disk_free_bytes"): "50000000000x10 536870912x50"},
        "The disk of a:9464 has 512MiB left.",
    ),
    "CountermandLogLarge": Cause(
        {series("countermand_store_wal_size_bytes"): "4000000x5 1073741824x60"},
        "The write-ahead log of a:9464 has 1GiB.",
    ),
    "CountermandReaperLate": Cause(
        {series("countermand_reaper_lag_seconds"): "0x15 30x60"},
        "Something at a:9464 is overdue for 30s.",
    ),
    "CountermandQueueLong": Cause(
        {series("countermand_commands_waiting"): "0x15 20000x60"},
        "20000 commands wait for their commit at a:9464.",
    ),
    "CountermandLeasesRenewed": Cause(
        {series("countermand_lease_outages_total"): "0+1x60"},
        "Agents could not renew their leases at a:9464, 15 times.",
    ),
    "CountermandAgentsDoNotStop": Cause(
        {
            series(STOPPED, 'proof="ACKNOWLEDGED"'): "0+40x60",
            series(STOPPED, 'proof="FORCED"'): "0+35x60",
            series(STOPPED, 'proof="AGENT_LOST"'): "0+25x60",
        },
        "Agents did not acknowledge 60% of the cancels.",
    ),
    "CountermandWatchesNearBound": Cause(
        {series("countermand_watches_open"): "18000x60"},
        "a:9464 has 90% of the watches that it takes.",
    ),
    "CountermandFilesNearBound": Cause(
        {series("process_open_fds"): "18000x60"}, "a:9464 has 90% of its descriptors open."
    ),
    "CountermandWrongKeys": Cause(
        {series(REFUSED, 'reason="API_KEY_INVALID"'): "0+600x60"},
        "10 calls a second at a:9464 have a wrong key.",
    ),
    "CountermandCallersLimited": Cause(
        {series(REFUSED, 'reason="RATE_LIMITED"'): "0+600x60"},
        "10 calls a second at a:9464 are above a limit.",
    ),
    "CountermandWebhooksFailing": Cause(
        {series("countermand_webhook_endpoints", 'state="FAILING"'): "0x5 2x54"},
        "Every try at 2 webhooks of a:9464 failed for an hour.",
    ),
}


@needs_promtool
def test_promtool_finds_nothing_wrong_with_the_rules():
    done = subprocess.run(
        ["promtool", "check", "rules", RULES], capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(ALERTS)} rules found" in done.stdout


@needs_promtool
def test_a_healthy_server_causes_no_alert(tmp_path: Path):
    assert fired(tmp_path, HEALTHY) == {}


@needs_promtool
@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_fires_by_its_cause_and_alone(alert: str, tmp_path: Path):
    cause = CAUSES[alert]
    assert cause.values.keys() <= HEALTHY.keys()
    assert fired(tmp_path, HEALTHY | cause.values) == {alert: cause.summary}


@needs_promtool
@pytest.mark.parametrize(("starts", "alerts"), [(4, {"CountermandRestarts"}), (3, set())])
def test_what_chaos_does_to_its_servers_is_seen_from_what_is_scraped(
    starts: int, alerts: set[str], tmp_path: Path
):
    started = ("process_start_time_seconds", frozenset[tuple[str, str]]())
    scraper = Scraper()
    scraper.looks["a"] = [Scrape({started: n}) for n in range(starts)]
    scraper.looks["b"] = [Scrape({started: 0})]
    assert scraper.fired(tmp_path) == alerts


def test_every_alert_has_its_row_on_the_page():
    assert re.findall(r"(?m)^\| `(Countermand\w+)` \|", PAGE) == ALERTS


def shown_names() -> set[str]:
    names: set[str] = set()
    for one in OWN:
        if one.kind is Kind.HISTOGRAM:
            names |= {f"{one.shown}_{end}" for end in ("bucket", "count", "sum")}
        else:
            names.add(one.shown)
    return names | PROCESS


def labels_of(name: str) -> set[str]:
    return {label for one in OWN if name.startswith(one.shown) for label in one.shown_labels}


def expressions(found: Any) -> Iterator[str]:
    """Every query in a dashboard."""
    if isinstance(found, dict):
        for key, value in found.items():
            if key in ("expr", "query") and isinstance(value, str):
                yield value
            else:
                yield from expressions(value)
    elif isinstance(found, list):
        for value in found:
            yield from expressions(value)


def queries() -> list[str]:
    rules = re.sub(r"(?m)^ +(annotations:|summary:).*$", "", RULES.read_text())
    return [*expressions(json.loads(DASHBOARD.read_text())), rules]


def test_dashboard_and_alerts_name_only_metrics_and_labels_that_there_are():
    known = shown_names()
    named: set[str] = set()
    for query in queries():
        found = re.findall(r"\b((?:countermand|rpc|process)_[a-z_]+)(\{[^}]*\})?", query)
        for name, chosen in found:
            if name in ("rpc_method", "rpc_status_code"):
                continue
            assert name in known, query
            labels = set(re.findall(r"(\w+)[=!]~?\"", chosen)) - {"job", "instance"}
            assert labels <= labels_of(name), query
            named.add(name)
    assert len(named) > 25


@needs_promtool
def test_every_query_of_the_dashboard_is_well_formed(tmp_path: Path):
    """As the expressions of recording rules, which promtool parses."""
    board = json.loads(DASHBOARD.read_text())
    found = [text for text in expressions(board["panels"]) if text != "prometheus"]
    assert len(found) > 20
    rules = [
        {"record": f"panel:{n}", "expr": re.sub(r"\$__\w+", "5m", text)}
        for n, text in enumerate(found)
    ]
    file = tmp_path / "panels.json"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
