"""Importing MNN, its converter, and what is known about its builds."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from hwprof.convert.process import Ran, run_converter
from hwprof.devices.declared import installed
from hwprof.errors import DeviceError, ModelError
from hwprof.machine.availability import Availability
from hwprof.models.base import Model
from hwprof.models.onnx.decide import decided_copy
from hwprof.models.onnx.file import read_structure
from hwprof.models.onnx.graph import graph_operators

INSTALL = "pip install 'hwprof[mnn]'"

# The command `mnnconvert` installs a package with pip and reports every conversion to a server of
# the vendor's (MNN/tools/utils/log.py). The extension module underneath does neither.
CONVERTER = "_tools"
ENGINE = "_mnncengine"
_CONVERT = f"import sys, {CONVERTER} as tools; tools.mnnconvert(sys.argv)"

_UNSUPPORTED = re.compile(r"These Op Not Support: (.*)")
_SUBGRAPHS = "The model has subgraphs"


def availability() -> Availability:
    """Whether MNN and its converter are installed, without importing them."""
    found = installed(INSTALL, "MNN")
    if not found.ok:
        return found
    engine, tools = (importlib.util.find_spec(name) for name in (ENGINE, CONVERTER))
    if engine is None or tools is None or not _neighbours(engine.origin, tools.origin):
        # The converter's name is a common one: any other module could stand in its place.
        reason = "MNN's converter is not beside its engine"
        return Availability(False, f"{reason}; reinstall it with {INSTALL}", INSTALL)
    return found


def _neighbours(one: str | None, two: str | None) -> bool:
    return one is not None and two is not None and Path(one).parent == Path(two).parent


def import_runtime() -> ModuleType:
    """MNN. Raises DeviceError with the reason it is not usable."""
    try:
        with silenced():
            import MNN
    except Exception as error:  # a missing library is an ImportError, a wrong NumPy anything
        raise DeviceError(
            f"MNN is installed but does not import ({error}); reinstall it with {INSTALL}"
        ) from error
    module: ModuleType = MNN
    return module


@contextmanager
def silenced() -> Iterator[None]:
    """Drop what native code writes to standard output meanwhile: MNN talks, and JSON goes there."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device, not a path
            os.dup2(nowhere.fileno(), 1)
        yield
    finally:
        if os.name == "posix":
            # C keeps a buffer of its own, which would otherwise be written out afterwards.
            ctypes.CDLL(None).fflush(None)
        os.dup2(kept, 1)
        os.close(kept)


def runtime_build(runtime: ModuleType) -> str:
    """What identifies the binary beyond its version: size of the engine, in bytes.

    MNN tells nothing about how it was built.
    """
    spec = importlib.util.find_spec(ENGINE)
    if spec is None or spec.origin is None:
        return f"MNN {runtime.version()}"
    engine = Path(spec.origin)
    return f"{engine.name}, {engine.stat().st_size} bytes"


def converted(model: Model, folder: Path) -> Path:
    """Convert an ONNX model to MNN's format inside `folder`.

    Raises ModelError naming the operators that MNN lacks, DeviceError when the converter or the
    disk fails, MeasurementError when memory runs out.
    """
    source = decided_copy(model, folder)
    target = folder / "model.mnn"
    name = model.path.name
    arguments = ["-f", "ONNX", "--modelFile", str(source), "--MNNModel", str(target)]
    ran = _convert([*arguments, "--bizCode", "hwprof"], folder, name)
    missing = _UNSUPPORTED.search(ran.text)
    if missing is not None:
        operators = ", ".join(sorted({op.rpartition("::")[2] for op in missing[1].split()}))
        raise ModelError(
            f"MNN has no operator {operators}, which '{name}' uses; "
            "export the model without it, or choose another device"
        )
    if ran.returncode != 0 or not target.is_file():
        raise ModelError(_failure(ran, source, folder, name))
    if _SUBGRAPHS in ran.text:
        raise ModelError(
            f"'{name}' branches or loops (If, Loop), which MNN's sessions do not run; "
            "export the model without control flow, or choose another device"
        )
    return target


def _convert(arguments: list[str], folder: Path, model: str) -> Ran:
    return run_converter([sys.executable, "-P", "-c", _CONVERT, *arguments], folder, model)


def _failure(ran: Ran, source: Path, folder: Path, name: str) -> str:
    known = set(_convert(["-f", "ONNX", "--OP"], folder, name).text.split())
    used = graph_operators(read_structure(source).graph)
    strangers = sorted(used - known) if "Conv" in known else []
    how = f"ends with {ran.crashed}" if ran.crashed else "gives up without a reason"
    why = f"; it does not know {', '.join(strangers)}" if strangers else ""
    return (
        f"MNN's converter {how} on '{name}'{why}; export the model with other operators, "
        "or choose another device"
    )
