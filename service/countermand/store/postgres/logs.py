"""What the servers on one database need to hear what the others commit."""

from collections.abc import Callable

from countermand.core.knobs import StoreKnobs
from countermand.store.postgres.generation import Generations
from countermand.store.postgres.lanes import ReaderLane
from countermand.store.postgres.listening import Listener
from countermand.store.sql.log_readings import LogReadings
from countermand.store.sql.reader_pool import Readers


class PostgresLogs(LogReadings):
    """See countermand.store.shared_logs.SharedLogs."""

    def __init__(self, generations: Generations, listener: Listener, knobs: StoreKnobs) -> None:
        self._generations = generations
        self._listener = listener
        self.readers = Readers(
            knobs,
            lambda: ReaderLane(generations, knobs),
            threads=1,
            max_readings=knobs.max_quick_readings,
        )
        """Theirs alone, so that nothing long keeps them waiting."""
        super().__init__(self.readers)

    @property
    def generation(self) -> int:
        """See countermand.store.shared_logs.SharedLogs."""
        return self._generations.number

    def listen(self, hint: Callable[[], None]) -> None:
        """See countermand.store.shared_logs.SharedLogs."""
        self._listener.hint = hint
