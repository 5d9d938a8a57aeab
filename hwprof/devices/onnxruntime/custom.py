"""Libraries of operators that the user names: ONNX Runtime loads them, and runs what they hold.

Nothing is loaded that a model asks for. The library is part of what the device is: its content's
hash stands in the device's spec, so that figures of two libraries are never one row.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from hwprof.devices.options import option
from hwprof.errors import DeviceError, OptionError, one_line
from hwprof.models.base import content_hash
from hwprof.models.plain_file import plain_size

OPTION = "custom_ops"
DIGITS = 16


def operator_library() -> Any:
    """The option `custom_ops`, a library to load; a spec names it by its content."""
    return option(
        None,
        "library of operators that ONNX Runtime loads",
        _read_library,
        written="",
        form="FILE.so",
        name=OPTION,
        in_spec=False,
    )


def _read_library(name: str, text: str) -> Path:
    path = Path(text).expanduser().absolute()
    plain_size(path, OptionError, "library")
    return path


def library_options(library: Path | None) -> dict[str, str]:
    """What the spec says of a library; nothing without one. Raises DeviceError."""
    if library is None:
        return {}
    try:
        return {OPTION: content_hash([library])[:DIGITS]}
    except OSError as error:
        raise DeviceError(
            f"the library of operators '{library}' cannot be read: {error.strerror}; put it back"
        ) from error


def register(runtime: ModuleType, options: Any, library: Path | None) -> None:
    """Have sessions with these options know a library's operators. Raises DeviceError."""
    if library is None:
        return
    try:
        options.register_custom_ops_library(str(library))
    except Exception as error:  # the binding raises a dozen types with no common base
        raise DeviceError(
            f"onnxruntime {runtime.__version__} does not load the library of operators "
            f"'{library.name}' ({one_line(error, 200)}); build it for this machine and this "
            "version, with a function RegisterCustomOps"
        ) from error
