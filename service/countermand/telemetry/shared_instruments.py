"""The metrics that only servers have which share their store."""

from typing import Final

from countermand.telemetry.instrument import Instrument, Kind

CLOCK_SKEW: Final = Instrument(
    kind=Kind.GAUGE,
    name="countermand.clock.skew",
    unit="s",
    help="By how much the machine's clock is ahead of that of all servers on the store.",
)
SHARED_AGE: Final = Instrument(
    kind=Kind.GAUGE,
    name="countermand.shared.age",
    unit="s",
    help="How long ago the server saw what others on the store do; after 5 it refuses calls.",
)
REAPER_TURN: Final = Instrument(
    kind=Kind.GAUGE,
    name="countermand.reaper.turn",
    unit="",
    help="1 if it was this server on the store that last looked for what is due, else 0.",
)

SHARED: Final = (CLOCK_SKEW, SHARED_AGE, REAPER_TURN)
