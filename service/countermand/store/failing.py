"""How a store fails, or refuses."""

from collections.abc import Set


class StoreFailed(Exception):
    """A commit did not happen, or nobody can say whether it did; or a reading was not possible.

    What the caller may believe is in the attributes; the text is for the log alone.
    """

    def __init__(
        self,
        message: str,
        *,
        full: bool = False,
        fatal: bool = False,
        committed: bool = False,
        unknown: bool = False,
    ) -> None:
        super().__init__(message)
        self.full = full
        """The disk is full: nothing was done, and it can be tried again when there is room."""
        self.fatal = fatal
        """The disk cannot be trusted any more: the process must leave, and start anew."""
        self.committed = committed
        """The batch is on disk all the same: what failed came after it."""
        self.unknown = unknown
        """Nobody can say whether the batch was done; a retry with the same request id finds it."""


class CommitTooLong(Exception):
    """A commit was broken off, for it worked too long. Nothing was done."""


class TenantsBusy(Exception):
    """Another writes some of a batch's tenants at present. Nothing was done; the others' commands
    can be committed without them, and theirs tried again soon."""

    def __init__(self, namespaces: Set[int]) -> None:
        super().__init__(f"another writes namespaces {sorted(namespaces)}")
        self.namespaces = namespaces


class StoreRefused(Exception):
    """The store cannot be opened; the text says why, for the operator."""
