"""What stands before every call: key, rate, scope, time."""
