"""What the log has of calls that were refused: enough to see it, however many there are."""

import logging
from collections.abc import Callable

from countermand.core.errors import Refused
from countermand.core.knobs import CallsKnobs
from countermand.core.trace import TraceContext
from countermand.rpc.guard.line_limit import LineLimit
from countermand.rpc.guard.refusal_counts import RefusalCounts
from countermand.telemetry.logs import fields

log = logging.getLogger(__name__)

FAILED = "failed"


class RefusalLog:
    """Writes one line for a refused call, with how many like it were left out before.

    What comes without a key shares one bound with all else that strangers cause. Of each key and
    reason there are as many lines as a person can read.
    """

    def __init__(self, strangers: LineLimit, knobs: CallsKnobs) -> None:
        self._strangers = strangers
        self.counts = RefusalCounts(knobs.max_counted_refusals)
        self._keys = LineLimit(knobs.max_lines_per_key, knobs.max_named_lines)

    def refused(
        self,
        event: str,
        trace: TraceContext,
        method: str,
        status: str,
        refusal: Refused,
        key_id: str | None,
        address: Callable[[], str],
    ) -> None:
        """Writes that a call ended with a refusal; without a `key_id`, of a stranger."""
        reason = str(refusal.reason)
        self.counts.add(key_id or "", reason)
        if key_id is None:
            left_out = self._strangers.take()
        else:
            left_out = self._keys.take((key_id, event, reason))
        if left_out is None:
            return
        who = {"address": address()} if key_id is None else {"key_id": key_id}
        log.info(
            event,
            extra=fields(
                trace, method=method, status=status, reason=reason, **who, left_out=left_out
            ),
        )

    def failed(self, event: str, error: BaseException) -> None:
        """Writes that a part of ours failed, with all that is known of it."""
        left_out = self._keys.take((FAILED, event))
        if left_out is not None:
            log.error(event, exc_info=error, extra=fields(cause=str(error), left_out=left_out))
