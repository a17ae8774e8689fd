"""The alert rules, and what promtool says of them for given series."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.pages import PROJECT

RULES = PROJECT / "deploy/alerts/countermand.rules.yml"
missing_promtool = "promtool is not installed (Debian: apt-get install prometheus)"
LATEST = 20
"""The minute at which is looked."""

_FOUND = re.compile(r"got:\s*\[(.*?)\]\s*$", re.DOTALL)


def fired(folder: Path, series: Mapping[str, str]) -> dict[str, str]:
    """Returns which alerts fire at the twentieth minute, each with its summary.

    The series have a sample a minute, in promtool's notation. promtool only compares, so this
    expects nothing, and reads what it got instead.
    """
    names = re.findall(r"(?m)^ +- alert: (\w+)$", RULES.read_text())
    test = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": one, "values": v} for one, v in series.items()],
                "alert_rule_test": [
                    {"eval_time": f"{LATEST}m", "alertname": name, "exp_alerts": []}
                    for name in names
                ],
            }
        ],
    }
    file = folder / "alerts.test.json"
    file.write_text(json.dumps(test))
    done = subprocess.run(
        ["promtool", "test", "rules", file], capture_output=True, text=True, timeout=50
    )
    said = done.stdout + done.stderr
    assert ("SUCCESS" in said) is (done.returncode == 0), said
    found = re.findall(r'Labels:\{alertname="(\w+)"[^}]*\}\s*Annotations:\{summary="(.*?)"\}', said)
    assert found or done.returncode == 0, said
    assert len(found) == len(dict(found)), "an alert fires once"
    return dict(found)
