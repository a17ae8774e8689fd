"""Which traces are recorded.

The SDK's own samplers are not used: they make a dictionary proxy and a result object for each
decision, which costs more than all else that an unsampled call does here. The decision is the same
as theirs for every trace id.
"""

from dataclasses import dataclass, field

from countermand.core.trace import TraceContext

_LOW_64_BITS = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Sampler:
    """Samples a ratio of traces; parent-based, it follows the caller's decision if there is one."""

    ratio: float
    """From 0 to 1."""
    parent_based: bool = True
    _bound: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_bound", round(self.ratio * (1 << 64)))

    @property
    def never_samples(self) -> bool:
        """Whether it records nothing, whatever the callers decided."""
        return self._bound == 0 and not self.parent_based

    def samples_new(self, trace_id: int) -> bool:
        """Whether to record a trace that starts here."""
        return trace_id & _LOW_64_BITS < self._bound

    def samples_from(self, caller: TraceContext) -> bool:
        """Whether to record what continues the caller's trace."""
        if self.parent_based:
            return caller.sampled
        return self.samples_new(int(caller.trace_id, 16))


NEVER = Sampler(0.0, parent_based=False)
