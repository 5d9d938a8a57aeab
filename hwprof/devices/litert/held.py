"""A converted model's file, which must not outlive the process that measures it."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path


class HeldFile:
    """A temporary file. On Linux it has no name, so that even a killed process leaves none."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="hwprof-")
        self._descriptor: int | None = None
        self.path = Path(self._folder.name, "model.tflite")

    def settle(self) -> None:
        """The file is written: from now on `path` is where to open it."""
        if sys.platform == "linux":
            self._descriptor = os.open(self.path, os.O_RDONLY)
            self._folder.cleanup()
            self.path = Path(f"/proc/self/fd/{self._descriptor}")

    def close(self) -> None:
        """Delete the file. Calling it again does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        self._folder.cleanup()
