"""Ports and certificates."""
