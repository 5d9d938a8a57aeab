"""Reading a sensor's file, with an error that says what to do."""

from __future__ import annotations

from pathlib import Path

from hwprof.errors import DeviceError
from hwprof.machine.host.roots import Roots


def read_number(roots: Roots, path: Path) -> int:
    """The whole number in a file. Raises DeviceError when there is none to be read."""
    try:
        return int(roots.read(path))
    except PermissionError as error:
        raise DeviceError(
            f"{path} may not be read by this user; "
            f"grant it until reboot with: sudo chmod a+r {path}"
        ) from error
    except ValueError as error:
        raise DeviceError(f"{path} holds no whole number; check the sensor's driver") from error
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise DeviceError(f"{path} cannot be read ({why}); check the sensor's driver") from error
