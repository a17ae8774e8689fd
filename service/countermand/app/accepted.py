"""What the log has of accepted cancels, for operators who ask for it."""

import logging

from countermand.engine.listeners import Committed
from countermand.telemetry.logs import fields

log = logging.getLogger(__name__)


class AcceptedLog:
    """Leaves one line for each cancel that was accepted: who asked, for what, how many tasks it
    stops. None of what callers say in words."""

    def __call__(self, committed: Committed) -> None:
        """Logs the cancels that one commit accepted."""
        saves = committed.batch.saves
        for namespace, cancellation_id in sorted(saves.accepted):
            cancellation = saves.cancellations[namespace, cancellation_id]
            log.info(
                "cancel accepted",
                extra=fields(
                    cancellation.caller.trace,
                    cancellation_id=cancellation_id,
                    requested_by=cancellation.caller.requested_by,
                    target=cancellation.target.kind.lower(),
                    target_id=cancellation.target.id,
                    tasks=cancellation.live_count + cancellation.stopped_count,
                ),
            )
