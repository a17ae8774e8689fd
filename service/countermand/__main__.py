"""`python -m countermand` is the `countermand` command."""

from countermand.cli.main import app_entry

app_entry()
