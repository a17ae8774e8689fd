"""The `countermand` command: the server, and what operators do by hand."""

import os

# gRPC's core writes lines of its own to stderr, such as each GOAWAY of a server that stops. It
# reads this once, when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
