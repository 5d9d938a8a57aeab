"""Running converters that are programs of their own, those of mobile runtimes.

They run as processes: they crash on what they do not know, and the memory they take must not count
as the model's. They end with the worker that runs them.
"""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hwprof.children import bound
from hwprof.errors import DeviceError, MeasurementError

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Ran:
    """How a converter ended, and what it printed (both streams, without colours)."""

    returncode: int
    text: str

    @property
    def crashed(self) -> str:
        """Name of the signal that ended it, such as `SIGSEGV`; empty where none did."""
        if self.returncode >= 0:
            return ""
        try:
            return signal.Signals(-self.returncode).name
        except ValueError:
            return f"signal {-self.returncode}"


def run_converter(command: Sequence[str], folder: Path, model: str) -> Ran:
    """Run a converter inside `folder`, which is where it writes.

    Raises DeviceError when it does not start, MeasurementError when the system killed it, which
    is what happens when memory runs out.
    """
    try:
        ended = subprocess.run(bound(command), cwd=folder, capture_output=True, check=False)
    except OSError as error:
        raise DeviceError(
            f"the converter '{Path(command[0]).name}' does not start: {error}; "
            "reinstall the package that brings it"
        ) from error
    text = (ended.stdout + b"\n" + ended.stderr).decode("utf-8", "backslashreplace")
    ran = Ran(ended.returncode, _COLOUR.sub("", text))
    if ran.crashed == "SIGKILL":
        raise MeasurementError(
            f"the converter was killed while it read '{model}', most likely because memory ran "
            "out; close other programs, or use a machine with more memory"
        )
    return ran
