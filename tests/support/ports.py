"""Ports that nobody listens on."""

import socket


def free_port() -> int:
    """Returns a port of 127.0.0.1 that was free just now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
