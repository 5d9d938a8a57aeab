"""Converting an ONNX model for ncnn with pnnx, in a process of its own."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from hwprof.convert.process import Ran, run_converter
from hwprof.errors import DeviceError, ModelError
from hwprof.models.base import Model
from hwprof.models.onnx.decide import decided_copy
from hwprof.models.onnx.valid import fault_of, invalid

INSTALL = "pip install 'hwprof[ncnn]'"

# pnnx writes down, as lines of a Python script, along which dimension of each tensor the samples
# of a batch lie (233 stands for none). The lines are read, never run.
_INPUT = re.compile(r'ex\.input\("(\w+)", ncnn\.Mat\(.*?batch_index=(\d+)\)')
_OUTPUT = re.compile(r"from_numpy\((\w+)\.numpy\(.*?batch_index=(\d+)\)")
_REASON = re.compile(r"unsupported [a-z ]+|\S+ is not a registered function/op")


@dataclass(frozen=True, slots=True)
class Layer:
    """One line of a .param file: `Convolution conv_0 1 1 in0 1 0=64 1=3`."""

    kind: str
    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Converted:
    """A model in ncnn's format: where it lies, its layers, and the batch dimension of its ends.

    `inputs` and `outputs` are in the order of the ONNX file.
    """

    param: Path
    weights: Path
    layers: tuple[Layer, ...]
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]


def converter() -> Path:
    """The program of the package pnnx, found without importing it: that would import torch.

    Raises DeviceError when it is missing.
    """
    spec = importlib.util.find_spec("pnnx")
    if spec is None or spec.origin is None:
        raise DeviceError(
            f"pnnx, which converts models for ncnn, is not installed; install it with {INSTALL}"
        )
    program = Path(spec.origin).with_name("pnnx.exe" if sys.platform == "win32" else "pnnx")
    if not program.is_file():
        raise DeviceError(
            f"the package pnnx lacks its program '{program.name}'; reinstall it with {INSTALL}"
        )
    return program


def converted(runtime: ModuleType, model: Model, folder: Path) -> Converted:
    """Convert an ONNX model to ncnn's format inside `folder`.

    Raises ModelError naming the operators that have no ncnn layer, DeviceError when the converter
    or the disk fails, MeasurementError when memory runs out.
    """
    source = decided_copy(model, folder)
    name = model.path.name
    files = {
        key: folder / f"model.{key}"
        for key in ("pnnxparam", "pnnxbin", "pnnxpy", "pnnxonnx", "ncnnparam", "ncnnbin", "ncnnpy")
    }
    arguments = [f"{key}={path}" for key, path in files.items()]
    # fp16=0 keeps the weights as they are: what precision to compute in is decided on loading.
    ran = run_converter([str(converter()), str(source), "fp16=0", *arguments], folder, name)
    if ran.returncode != 0 or not all(
        files[key].is_file() for key in ("ncnnparam", "ncnnbin", "ncnnpy")
    ):
        raise ModelError(_failure(ran, source, name))
    layers = read_layers(files["ncnnparam"])
    missing = sorted({layer.kind for layer in layers if runtime.layer_to_index(layer.kind) < 0})
    if missing:
        raise ModelError(
            f"ncnn has no layer for {', '.join(missing)} as '{name}' uses it; "
            "export the model without it, or choose another device"
        )
    script = files["ncnnpy"].read_text("utf-8", "replace")
    return Converted(
        files["ncnnparam"],
        files["ncnnbin"],
        layers,
        {found[1]: int(found[2]) for found in _INPUT.finditer(script)},
        {found[1]: int(found[2]) for found in _OUTPUT.finditer(script)},
    )


def read_layers(param: Path) -> tuple[Layer, ...]:
    """The layers of a .param file (docs/developer-guide/param-and-model-file-structure of ncnn).

    Raises DeviceError when the file has another form.
    """
    lines = param.read_text("utf-8", "replace").splitlines()[2:]
    try:
        return tuple(_layer(line.split()) for line in lines if line.strip())
    except (IndexError, ValueError) as error:
        raise DeviceError(
            "the file that pnnx wrote cannot be understood; install the versions of ncnn and pnnx "
            "that hwprof was tested with"
        ) from error


def _layer(words: Sequence[str]) -> Layer:
    reads, writes = int(words[2]), int(words[3])
    middle, end = 4 + reads, 4 + reads + writes
    return Layer(
        words[0], words[1], tuple(words[4:middle]), tuple(words[middle:end]), tuple(words[end:])
    )


def _failure(ran: Ran, source: Path, name: str) -> str:
    how = f"ends with {ran.crashed}" if ran.crashed else "gives up"
    reason = _REASON.search(ran.text)
    wrong = fault_of(source) if reason is None else ""
    if wrong:
        return invalid(name, wrong)
    why = f": {reason[0].strip()}" if reason else ""
    return (
        f"pnnx, which converts models for ncnn, {how} on '{name}'{why}; "
        "export the model with other operators, or choose another device"
    )
