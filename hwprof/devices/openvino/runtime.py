"""Importing OpenVINO, and putting its errors into words."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from hwprof.errors import DeviceError

INSTALL = "pip install 'hwprof[openvino]'"
# Reports each import to a host of analytics, under an id that it keeps in the home.
REPORTER = "openvino_telemetry"


def import_runtime() -> ModuleType:
    """OpenVINO. Raises DeviceError with the reason it is not usable."""
    try:
        with _unreported():
            import openvino
    except ModuleNotFoundError as error:
        if error.name == "openvino":
            raise DeviceError(f"openvino is not installed; install it with {INSTALL}") from error
        raise _broken(error) from error
    except Exception as error:  # a missing shared library, an old NumPy: each fails its own way
        raise _broken(error) from error
    module: ModuleType = openvino
    return module


@contextmanager
def _unreported() -> Iterator[None]:
    """OpenVINO imports without its reporter inside, as where that package is not installed.

    It then takes a stub of its own (openvino.tools.ovc.telemetry_stub): no variable turns its
    reports off. Whoever opted in to them with OpenVINO's own command keeps them.
    """
    if _opted_in():
        yield
        return
    absent = object()
    before = sys.modules.get(REPORTER, absent)
    sys.modules[REPORTER] = None  # type: ignore[assignment] # importing it fails, as Python has it
    try:
        yield
    finally:
        if before is absent:
            del sys.modules[REPORTER]
        else:
            sys.modules[REPORTER] = before  # type: ignore[assignment]


def _opted_in() -> bool:
    """Whether the home has the consent that `opt_in_out --opt_in` of OpenVINO writes."""
    try:
        return Path.home().joinpath("intel", REPORTER).read_text("utf-8").strip() == "1"
    except (OSError, RuntimeError, ValueError):  # no such file, no home, no text
        return False


def _broken(error: Exception) -> DeviceError:
    reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(" .")
    return DeviceError(
        f"openvino is installed but does not import ({reason}); "
        "reinstall it with pip install --force-reinstall openvino"
    )


UNKNOWN_OPS = re.compile(r"No conversion rule found for operations: (.+)")
FAILED_OP = re.compile(r"^-- (.+?)(?:-\d+)? with a message:$", re.M)
UNREADABLE = re.compile(r"Unable to read the model|is not an ONNX|Could not open the file")
# Lines that say where in OpenVINO's source a check failed, not what is wrong with the model.
NOISE = re.compile(
    r"^(Exception from |Check '|FrontEnd API failed|Model wasn't fully converted|While validating"
    r"|Summary:|-- |Kernel creation stage|\[ ?ERROR)"
)


def unknown_operators(text: str) -> tuple[str, ...]:
    """Operators that a message of the ONNX front end calls unknown: `Foo`, `com.acme.Foo`."""
    found = UNKNOWN_OPS.search(text)
    if found is None:
        return ()
    return tuple(re.sub(r"-\d+$", "", each.strip()) for each in found[1].split(","))


def short_reason(error: Exception) -> str:
    """One of OpenVINO's messages in one line, without source positions and exception chains."""
    text = str(error).strip() or type(error).__name__
    unknown = unknown_operators(text)
    if unknown:
        listed = ", ".join(f"'{name}'" for name in unknown)
        return f"it has no operator {listed}"
    if UNREADABLE.search(text):
        return "the file is cut off or no ONNX model"
    lines = [line.strip() for line in text.splitlines()]
    telling = next((line for line in lines if line and not NOISE.match(line)), lines[-1])
    failed = FAILED_OP.search(text)
    where = f"operator '{failed[1]}': " if failed else ""
    return (where + telling)[:400].rstrip(" .")


def out_of_memory(error: Exception) -> bool:
    """Whether one of OpenVINO's errors is a failed allocation."""
    text = str(error)
    return (
        isinstance(error, MemoryError)
        or "bad_alloc" in text
        or "ailed to allocate" in text
        or "could not allocate" in text
    )


def memory_advice(model: str) -> str:
    """What to say when memory ran out on `model`."""
    return (
        f"memory ran out on '{model}'; use a smaller --batch or --shape, close other programs, "
        "or use a machine with more memory"
    )
