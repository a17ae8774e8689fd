"""What the alerts would have said of the servers of a test.

Each is scraped when it is ready and before it is told to end, or killed. As Prometheus would see
it, fifteen seconds lie between two of these looks, and after the last one the server stays as it
was for twenty minutes.
"""

import asyncio
import json
import re
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.support.alerts import RULES
from tests.support.scrape import Scrape, Series, scrape
from tests.support.server import Server

INTERVAL, REST = 15, 80
OF_THE_MACHINE = {
    *("CountermandCancelsSlow", "CountermandCommitsSlow", "CountermandLeasesRenewed"),
    *("CountermandQueueLong", "CountermandReaperLate"),
    *("CountermandDiskLow", "CountermandFilesNearBound"),
}
"""How fast a machine is that others use, too, and what it has left, is not the server's doing."""
SCRAPE_SECONDS = 5

_FOUND = re.compile(r'Labels:\{alertname="(\w+)"')


class Scraper:
    """Looks at every server of a test."""

    def __init__(self) -> None:
        self.looks: dict[str, list[Scrape]] = {}
        """By the store of the server."""

    async def look(self, server: Server) -> None:
        """Reads its metrics. One that does not answer, or ends in the middle of it, is not seen."""
        with suppress(OSError, TimeoutError, ValueError, IndexError):
            async with asyncio.timeout(SCRAPE_SECONDS):
                found = await scrape(server)
            if found.values:
                self.looks.setdefault(str(server.store), []).append(found)

    def fired(self, folder: Path) -> set[str]:
        """Returns which alerts fired at any time, by promtool."""
        if not self.looks:
            return set()
        names = set(re.findall(r"(?m)^ +- alert: (\w+)$", RULES.read_text())) - OF_THE_MACHINE
        longest = max(map(len, self.looks.values())) + REST
        tests = {
            "rule_files": [str(RULES)],
            "evaluation_interval": f"{INTERVAL}s",
            "tests": [
                {
                    "interval": f"{INTERVAL}s",
                    "input_series": self._series(),
                    # promtool only compares, so this expects nothing, and reads what it got.
                    "alert_rule_test": [
                        {"eval_time": f"{INTERVAL * n}s", "alertname": name, "exp_alerts": []}
                        for name in sorted(names)
                        for n in range(0, longest, 4)
                    ],
                }
            ],
        }
        file = folder / "scraped.test.json"
        file.write_text(json.dumps(tests))
        done = subprocess.run(
            ["promtool", "test", "rules", file], capture_output=True, text=True, timeout=50
        )
        said = done.stdout + done.stderr
        found = set(_FOUND.findall(said))
        assert bool(found) is (done.returncode != 0), said
        return found

    def _series(self) -> list[dict[str, Any]]:
        found = []
        for number, looks in enumerate(self.looks.values()):
            place = {"job": "countermand", "instance": f"server-{number}"}
            found.append({"series": _shown("up", place), "values": f"1x{len(looks) + REST}"})
            for series in {one for look in looks for one in look.values}:
                found.append(
                    {
                        "series": _shown(series[0], dict(series[1]) | place),
                        "values": _values(series, looks),
                    }
                )
        return found


def _shown(name: str, labels: dict[str, str]) -> str:
    return f"{name}{{{','.join(f'{key}={json.dumps(text)}' for key, text in labels.items())}}}"


def _values(series: Series, looks: list[Scrape]) -> str:
    """Its values in promtool's notation; _ where there was none."""
    shown = [f"{look.values[series]:f}" if series in look.values else "_" for look in looks]
    return " ".join([*shown, f"{shown[-1]}x{REST}"])
