"""Converting an ONNX model for MNN, in a process of its own."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from hwprof.convert.process import Ran, run_converter
from hwprof.errors import ModelError
from hwprof.models.base import Model
from hwprof.models.onnx.decide import decided_copy
from hwprof.models.onnx.file import read_structure
from hwprof.models.onnx.graph import graph_operators
from hwprof.models.onnx.valid import fault_of, invalid

# The command `mnnconvert` installs a package with pip and reports every conversion to a server of
# the vendor's (MNN/tools/utils/log.py). The extension module underneath does neither.
CONVERTER = "_tools"
_CONVERT = f"import sys, {CONVERTER} as tools; tools.mnnconvert(sys.argv)"

_UNSUPPORTED = re.compile(r"These Op Not Support: (.*)")
_SUBGRAPHS = "The model has subgraphs"


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
    wrong = "" if strangers else fault_of(source)
    if wrong:
        return invalid(name, wrong)
    how = f"ends with {ran.crashed}" if ran.crashed else "gives up without a reason"
    why = f"; it does not know {', '.join(strangers)}" if strangers else ""
    return (
        f"MNN's converter {how} on '{name}'{why}; export the model with other operators, "
        "or choose another device"
    )
