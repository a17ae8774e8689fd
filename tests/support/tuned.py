"""Starts a program of ours with other knobs: `python -m tests.support.tuned VALUES MODULE …`.

VALUES are those that differ from production, in JSON, by their paths. The product has no way to set
them: here and nowhere else its composition is given others.
"""

import json
import runpy
import sys

from countermand.core import knobs
from tests.support.knobs import changed

if __name__ == "__main__":
    tuned = changed(json.loads(sys.argv.pop(1)))
    knobs.Knobs = lambda: tuned  # type: ignore[assignment, misc]
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
