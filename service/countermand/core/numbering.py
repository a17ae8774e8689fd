"""The places in the log of checkouts, orders and cancellations.

They come behind all that the same command did to tasks: whoever reads the log in its order has seen
the tasks before what ends with them. Each command of a batch has its places before the next one, so
that a batch decides what its commands would decide one by one.
"""

from countermand.core.log import RecordEvent
from countermand.core.rows import Rows


def number_records(rows: Rows) -> None:
    """Gives what a command logs of checkouts, orders and cancellations its places, and notes the
    last one of each in its row."""
    saves, positions = rows.saves, rows.positions
    for record in saves.to_log:
        namespace = record.namespace
        positions[namespace] = saves.positions[namespace] = seq = positions[namespace] + 1
        saves.records.append(RecordEvent(seq, record, record.last_seq))
        # In place: its command made it just now, and a copy for this one number would cost as much
        # as all else about the place of a cancel.
        vars(record)["last_seq"] = seq
    saves.to_log.clear()
