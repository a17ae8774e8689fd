"""What a server's metrics say, read as Prometheus reads them."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TypeAlias

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from tests.support.server import Server
from tests.support.waiting import until

Series: TypeAlias = tuple[str, frozenset[tuple[str, str]]]
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Scrape:
    """One reading: each series and its value."""

    def __init__(self, values: Mapping[Series, float]) -> None:
        self.values = dict(values)

    def __getitem__(self, name: str) -> float:
        """The sum of all series of this name."""
        found = [value for (shown, _), value in self.values.items() if shown == name]
        assert found, f"no {name}"
        return sum(found)

    def of(self, name: str, **labels: str) -> float:
        """The sum of the series of this name with these labels; 0 if there is none."""
        return sum(
            value
            for (shown, given), value in self.values.items()
            if shown == name and labels.items() <= dict(given).items()
        )

    def grown(self, before: "Scrape") -> dict[str, float]:
        """By how much each series grew, or how much a new one has; those that stayed left out."""
        return {
            shown(series): value - before.values.get(series, 0)
            for series, value in self.values.items()
            if value != before.values.get(series, 0)
        }


def shown(series: Series) -> str:
    """A series in one line, without the bounds of its bucket's neighbours."""
    name, labels = series
    inner = ",".join(f"{key}={value}" for key, value in sorted(labels) if value)
    return f"{name}{{{inner}}}" if inner else name


def parsed(text: str, *, of_openmetrics: bool = False) -> Scrape:
    """Reads one of the two formats, strictly."""
    families = (openmetrics if of_openmetrics else plain)(text)
    found: dict[Series, float] = {}
    for family in families:
        for sample in family.samples:
            series = sample.name, frozenset(sample.labels.items())
            assert series not in found
            found[series] = sample.value
    return Scrape(found)


async def metrics_address(server: Server) -> tuple[str, int]:
    """Where the server says, in the log of this life of it, that its metrics can be read."""

    def said() -> list[str]:
        mine = server.log[server.born :]
        return [line for line in mine if '"metrics can be read"' in line]

    await until(lambda: bool(said()))
    host, _, port = json.loads(said()[-1])["address"].rpartition(":")
    return host, int(port)


async def ask(
    address: tuple[str, int], head: bytes = b"GET /metrics HTTP/1.1\r\n\r\n", **options: object
) -> tuple[str, bytes]:
    """Sends these bytes. Returns the head of the answer and its body; empty if there is none."""
    reader, writer = await asyncio.open_connection(*address, **options)
    answer = b""
    try:
        writer.write(head)
        with suppress(ConnectionError):
            answer = await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()
    top, _, body = answer.partition(b"\r\n\r\n")
    return top.decode("latin-1"), body


async def scrape(server: Server) -> Scrape:
    """Reads the metrics of a server."""
    _, body = await ask(await metrics_address(server))
    return parsed(body.decode())
