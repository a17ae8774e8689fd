"""The rules of cancelling, pure: standard library only, no input or output, no clock of its own.

Times are whole microseconds since the Unix epoch, spans are whole microseconds, and UUIDs are text
of 36 characters in lower case.
"""
