"""For runtimes that have a file format of their own: an ONNX model made ready for their converter.

Converters of mobile runtimes run as processes of their own: they crash on what they do not know,
and the memory they take must not count as the model's.
"""

from __future__ import annotations

import math
import re
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hwprof.devices.base import Model
from hwprof.devices.outputs import DTYPES
from hwprof.errors import DeviceError, MeasurementError, ModelError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

# Protocol buffers hold at most 2 GiB; the graph needs some of it.
LARGEST_WEIGHTS_BYTES = 1_900_000_000
# Initializers need not be inputs from here on.
WEIGHTS_STAND_ALONE = 4
SOFTMAX_ALONG_AXIS = 13

_FLATTENING = frozenset({"Softmax", "LogSoftmax", "Hardmax"})
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Declared:
    """An output as the model file declares it: its type in NumPy's words, its shape if decided."""

    name: str
    dtype: str
    shape: tuple[int, ...] | None

    @property
    def whole(self) -> bool:
        """Whether its elements are whole numbers or truth values."""
        return self.dtype.startswith(("int", "uint", "bool"))

    def dress(self, value: np.ndarray) -> np.ndarray:
        """What a runtime computed, in the declared type and shape.

        Mobile runtimes know neither 64-bit numbers nor, all of them, scalars. What cannot be
        dressed so stays as it is.
        """
        if self.shape is not None and value.size == math.prod(self.shape):
            value = value.reshape(self.shape)
        return value.astype(self.dtype) if self.dtype in DTYPES else value


def declared_outputs(model: Model) -> tuple[Declared, ...]:
    """Outputs of an ONNX file, in its order."""
    import onnx

    from hwprof.devices.onnxruntime.elements import onnx_dtype

    found = []
    for output in onnx.load(str(model.path), load_external_data=False).graph.output:
        kind = output.type.tensor_type
        dims = kind.shape.dim
        known = kind.HasField("shape") and all(d.HasField("dim_value") for d in dims)
        shape = tuple(d.dim_value for d in dims) if known else None
        found.append(Declared(output.name, onnx_dtype(kind.elem_type), shape))
    return tuple(found)


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
        ended = subprocess.run(command, cwd=folder, capture_output=True, check=False)
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


def decided_copy(model: Model, folder: Path) -> Path:
    """Write `folder/model.onnx`: the same graph, with nothing left to decide.

    Inputs get the subject's shapes, weights are no inputs any more, and shapes that the exporter
    noted inside the graph are dropped where inputs were open. A softmax of an operator set before
    13 works on everything from its axis on, which converters overlook: where that differs from
    working along the axis, it is written as Flatten, Softmax and Reshape. Tensors keep their
    names.

    Raises ModelError when the file is no ONNX model, DeviceError when it cannot be written.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        proto = onnx.load(str(model.path))
    except (OSError, DecodeError, ValueError) as error:
        raise ModelError(
            f"'{model.path.name}' cannot be read as an ONNX model, so it may be cut off; "
            "export or download it again"
        ) from error
    _decide_inputs(proto, model)
    if opset_of(proto) < SOFTMAX_ALONG_AXIS:
        _spell_out_softmax(proto, model)
    target = folder / "model.onnx"
    weights = sum(len(tensor.raw_data) for tensor in proto.graph.initializer)
    try:
        onnx.save_model(
            proto,
            str(target),
            save_as_external_data=weights > LARGEST_WEIGHTS_BYTES,
            location="weights.bin",
        )
    except (OSError, ValueError) as error:  # ValueError: more than a protocol buffer holds
        raise DeviceError(
            f"a copy of '{model.path.name}' for the converter cannot be written: {error}; "
            "free some space in the temporary folder"
        ) from error
    return target


def opset_of(proto: ModelProto) -> int:
    """Version of ONNX's own operator set that the model uses; 0 where it uses none."""
    return max((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), default=0)


def graph_operators(graph: GraphProto) -> set[str]:
    """Operators of a graph, those of its subgraphs included; other domains' as `domain.Name`."""
    found = set()
    for node in graph.node:
        own = node.domain in ("", "ai.onnx")
        found.add(node.op_type if own else f"{node.domain}.{node.op_type}")
        for attribute in node.attribute:
            if attribute.HasField("g"):
                found |= graph_operators(attribute.g)
            for inner in attribute.graphs:
                found |= graph_operators(inner)
    return found


def _decide_inputs(proto: ModelProto, model: Model) -> None:
    graph = proto.graph
    decided = {tensor.name: tensor.shape for tensor in model.subject.inputs}
    kept = [value for value in graph.input if value.name in decided]
    for value in kept:
        dims = value.type.tensor_type.shape.dim
        del dims[:]
        for size in decided[value.name]:
            dims.add().dim_value = size
    del graph.input[:]
    graph.input.extend(kept)
    # What the exporter noted may speak of other shapes; converters infer their own.
    del graph.value_info[:]
    proto.ir_version = max(proto.ir_version, WEIGHTS_STAND_ALONE)


def _spell_out_softmax(proto: ModelProto, model: Model) -> None:
    graph = proto.graph
    if not any(node.op_type in _FLATTENING for node in graph.node):
        return
    shapes = _known_shapes(proto)
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        if node.op_type in _FLATTENING and node.domain in ("", "ai.onnx"):
            graph.node.extend(_softmax_along_axis(node, shapes, graph, model))
        else:
            graph.node.append(node)


def _known_shapes(proto: ModelProto) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors whose every dimension inference can tell."""
    import onnx

    slim = onnx.ModelProto()
    slim.CopyFrom(proto)
    for tensor in slim.graph.initializer:
        # Large weights only slow inference down: their shapes are all it takes.
        if len(tensor.raw_data) > 1024:
            tensor.ClearField("raw_data")
    try:
        slim = onnx.shape_inference.infer_shapes(slim, data_prop=True)
    except (onnx.shape_inference.InferenceError, ValueError):
        return {}
    return {
        value.name: tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
        for value in (*slim.graph.input, *slim.graph.value_info, *slim.graph.output)
        if all(d.HasField("dim_value") for d in value.type.tensor_type.shape.dim)
    }


def _softmax_along_axis(
    node: NodeProto, shapes: dict[str, tuple[int, ...]], graph: GraphProto, model: Model
) -> list[NodeProto]:
    from onnx import helper, numpy_helper

    axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
    shape = shapes.get(node.input[0])
    if shape is None:
        raise ModelError(
            f"'{model.path.name}' has a {node.op_type} of operator set {SOFTMAX_ALONG_AXIS - 1} or "
            "older whose input shape cannot be told; export it for operator set "
            f"{SOFTMAX_ALONG_AXIS} or newer"
        )
    axis += len(shape) if axis < 0 else 0
    if all(size == 1 for size in shape[axis + 1 :]):
        plain = helper.make_node(node.op_type, node.input, node.output, node.name, axis=axis)
        return [plain]
    output = node.output[0]
    flat, soft, target = (f"{output}/hwprof_{part}" for part in ("flat", "soft", "shape"))
    graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), target))
    return [
        helper.make_node("Flatten", node.input, [flat], f"{flat}_node", axis=axis),
        helper.make_node(node.op_type, [flat], [soft], f"{soft}_node", axis=1),
        helper.make_node("Reshape", [soft, target], [output], node.name),
    ]
