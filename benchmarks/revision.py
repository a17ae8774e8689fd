"""Another revision of the package, to be measured beside the present one."""

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

from benchmarks.machine import CannotMeasureError

ROOT = Path(__file__).parents[1]


def checked_out(revision: str, folder: Path) -> Path:
    """Puts the package of a revision into the folder, and answers where to import it from."""
    command = ("git", "-C", str(ROOT), "archive", revision, "service")
    archive = subprocess.run(command, capture_output=True)
    if archive.returncode:
        reason = archive.stderr.decode(errors="replace").strip()
        raise CannotMeasureError(f"git cannot give revision {revision}: {reason}")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder / "service"
