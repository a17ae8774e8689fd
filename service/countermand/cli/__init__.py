"""The `countermand` command: the server, and what operators do by hand."""

import os

from countermand.app.standard_streams import open_closed_streams

open_closed_streams()

# gRPC's core writes lines of its own to stderr: any stranger could have them written, and they are
# no JSON. What an operator must know of them we say ourselves. It reads this when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
