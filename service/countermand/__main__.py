"""The `countermand` command, also as `python -m countermand`."""

import sys

COMMAND_LINE = {"rich", "typer"}
"""What the command needs beside what a client needs."""


def main() -> None:
    """Runs the command, and exits; without its parts it says what to install."""
    try:
        from countermand.cli.main import app_entry
    except ModuleNotFoundError as missing:
        if missing.name not in COMMAND_LINE:
            raise
        sys.exit(
            f"countermand: the command line needs {missing.name}: pip install 'countermand[cli]',"
            " or 'countermand[server,cli]' to serve"
        )
    app_entry()


if __name__ == "__main__":
    main()
