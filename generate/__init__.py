"""What writes code that is generated from our own: run by `make fix`, compared by `make check`."""
