"""Where a command's table lies."""

from __future__ import annotations

import os
from pathlib import Path

DEFAULT_TABLE = "hwprof.db"


def table_path(given: Path | None) -> Path:
    """`--lut`, else `$HWPROF_LUT`, else `./hwprof.db`."""
    if given is not None:
        return given
    return Path(os.environ.get("HWPROF_LUT") or DEFAULT_TABLE)
