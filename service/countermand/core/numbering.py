"""The places in the log of checkouts, orders and cancellations.

They come behind all that the same command did to tasks: whoever reads the log in its order has seen
the tasks before what ends with them. Each command of a batch has its places before the next one, so
that a batch decides what its commands would decide one by one.
"""

from countermand.core.cancellations import Cancellation
from countermand.core.log import RecordEvent
from countermand.core.rows import Rows


def number_records(rows: Rows) -> None:
    """Gives what a command logs of checkouts, orders and cancellations its places, and notes the
    last one of each in its row."""
    saves, positions = rows.saves, rows.positions
    for record in saves.to_log:
        seq = positions[record.namespace] = positions[record.namespace] + 1
        saves.positions[record.namespace] = seq
        saves.records.append(RecordEvent(seq, record, record.last_seq))
        if isinstance(record, Cancellation):
            key = (record.namespace, record.cancellation_id)
            rows.cancellations[key] = saves.cancellations[key] = record.evolve(last_seq=seq)
        else:
            target = record.target
            rows.holders[target] = saves.holders[target] = record.evolve(last_seq=seq)
    saves.to_log.clear()
