"""The README and the pages of docs/: their blocks, and a session that runs them as written."""

import re
from pathlib import Path

PROJECT = Path(__file__).parents[3]
README = "README.md"

_LINKED = re.compile(r"\]\((docs/[\w/-]+\.md)\)")


def pages() -> dict[str, str]:
    """The text of README and of each page in docs/, in the order in which README lists them.

    Those that README does not list are last.
    """
    readme = (PROJECT / README).read_text()
    listed = _LINKED.findall(readme.partition("## Documentation")[2])
    found = sorted(str(path.relative_to(PROJECT)) for path in (PROJECT / "docs").rglob("*.md"))
    names = [README, *dict.fromkeys([*listed, *found])]
    return {name: (PROJECT / name).read_text() for name in names}
