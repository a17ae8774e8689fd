"""Countermand: the arbiter of "stop". It cancels tasks durably and tells when they have ended."""

__version__ = "0.1.0"
