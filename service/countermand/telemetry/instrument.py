"""What is said of one metric: names as both OpenTelemetry and Prometheus want them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """How a metric grows."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


_SUFFIXES: Final = {"s": "_seconds", "By": "_bytes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One metric. Its name and the names of its labels are those of OpenTelemetry."""

    kind: Kind
    name: str
    unit: str
    """`s` or `By`, or in braces what is counted."""
    help: str
    labels: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    """All values of its one label, if they are known before; each has its series from the start, so
    that what happens first is seen to grow."""
    buckets: tuple[float, ...] = ()
    named: str = ""
    """Its family at Prometheus, if that has a name of its own."""

    @property
    def family(self) -> str:
        """Its name at Prometheus, without the ending of a counter."""
        return self.named or self.name.replace(".", "_") + _SUFFIXES.get(self.unit, "")

    @property
    def shown(self) -> str:
        """Its name at Prometheus."""
        return self.family + ("_total" if self.kind is Kind.COUNTER else "")

    @property
    def shown_labels(self) -> tuple[str, ...]:
        """The names of its labels at Prometheus."""
        return tuple(label.replace(".", "_") for label in self.labels)
