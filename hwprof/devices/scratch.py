"""Temporary files of a worker.

Workers are killed rather than asked to stop, so what they leave behind is their parent's to remove:
it names the folder in the environment.
"""

from __future__ import annotations

import os
import tempfile

VARIABLE = "HWPROF_SCRATCH"


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """A new folder for converted models, profiles and the like."""
    parent = os.environ.get(VARIABLE)
    return tempfile.TemporaryDirectory(prefix="hwprof-", dir=parent, ignore_cleanup_errors=True)
