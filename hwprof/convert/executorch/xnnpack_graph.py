"""The graph that XNNPACK was handed, read back from a lowered program.

Every delegated part of a program carries its XNNPACK graph as a flatbuffer behind a small header
(executorch/backends/xnnpack/serialization/schema.fbs). Its operators name the node of the exported
graph they come from (`debug_handle`) and the exact shapes they work on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hwprof.errors import DeviceError
from hwprof.graph import TensorSpec

# Handle of operators that the lowering inserted (XNNPACK's preprocess, DEFAULT_DEBUG_HANDLE).
_NO_HANDLE = 65535
_NO_VALUE = 0xFFFFFFFF
_DTYPES: Mapping[str, str] = {
    "fp32": "float32",
    "fp16": "float16",
    "bf16": "bfloat16",
    "qint8": "int8",
    "quint8": "uint8",
    "qint32": "int32",
    "qcint8": "int8",
    "qcint32": "int32",
    "qcint4": "int4",
    "qdint8": "int8",
    "qbint4": "int4",
    "qpint8": "int8",
    "int32": "int32",
    "pfp32": "float32",
}
# In the order of an operator's inputs; everything else that ends in _id is an output.
_READS = ("input_id", *(f"input{i}_id" for i in range(1, 6)), "filter_id", "bias_id")
_READS_OF_ATTENTION = ("query_id", "key_id", "value_id", "scale_id", "mask_id")


@dataclass(frozen=True, slots=True)
class XnnOperator:
    """One operator of a delegate, as it was handed to XNNPACK: before XNNPACK's own fusions."""

    kind: str
    """Its name in the schema without the prefix XNN, for example `Conv2d`."""
    handle: int | None
    """The exported graph's node it comes from; None for one that the lowering inserted."""
    attributes: Mapping[str, str]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    clamped: bool
    """Whether it also bounds its output: XNNPACK fuses that, or runs a Clamp of its own."""


def read_operators(payload: bytes, place: Path) -> tuple[XnnOperator, ...]:
    """The operators of one delegate, in the order they run. Raises DeviceError.

    Temporary files lie in the folder `place` meanwhile.
    """
    graph = _as_json(payload, place)
    try:
        values = {
            int(value["id_out"]): value
            for value in (_tensor_value(each["xvalue_union"]) for each in graph["xvalues"])
        }
        return tuple(_operator(node, values) for node in graph["xnodes"])
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(repr(error)) from error


def _operator(node: Mapping[str, Any], values: Mapping[int, Mapping[str, Any]]) -> XnnOperator:
    kind = str(node["xnode_union_type"]).removeprefix("XNN")
    fields = dict(node["xnode_union"])
    ids = {name: int(fields.pop(name)) for name in list(fields) if name.endswith("_id")}
    reads = [name for name in (*_READS, *_READS_OF_ATTENTION) if name in ids]
    if kind.startswith("Concatenate"):
        reads = reads[: int(kind.removeprefix("Concatenate"))]
    writes = [name for name in ids if name not in (*_READS, *_READS_OF_ATTENTION)]
    attributes = {name: _text(value) for name, value in sorted(fields.items())}
    clamped = "output_min_max" in node
    if clamped:
        attributes["clamp"] = "1"  # the bounds themselves cost nothing
    handle = int(node["debug_handle"])
    return XnnOperator(
        kind,
        None if handle == _NO_HANDLE else handle,
        attributes,
        _tensors(reads, ids, values),
        _tensors(writes, ids, values),
        clamped,
    )


def _tensors(
    names: Sequence[str], ids: Mapping[str, int], values: Mapping[int, Mapping[str, Any]]
) -> tuple[TensorSpec, ...]:
    return tuple(_spec(values[ids[name]]) for name in names if ids[name] != _NO_VALUE)


def _tensor_value(union: Mapping[str, Any]) -> Mapping[str, Any]:
    """A quantised value wraps a plain one."""
    inner = union.get("tensor_value")
    return union if inner is None else inner


def _spec(value: Mapping[str, Any]) -> TensorSpec:
    kind = str(value["datatype"]).removeprefix("xnn_datatype_")
    return TensorSpec(
        name=f"v{value['id_out']}",
        dtype=_DTYPES.get(kind, kind),
        shape=tuple(int(size) for size in value.get("dims", ())),
        constant=int(value["constant_buffer_idx"]) != 0,
    )


def _text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(str(each) for each in value)
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def _as_json(payload: bytes, place: Path) -> dict[str, Any]:
    """The flatbuffer as JSON, by the schema compiler that ExecuTorch's wheel carries."""
    from importlib.resources import files

    from executorch.backends.xnnpack.serialization import xnnpack_graph_serialize
    from executorch.exir._serialize._flatbuffer import _flatc_decompile

    header_type = xnnpack_graph_serialize.XNNHeader
    try:
        header = header_type.from_bytes(payload[: header_type.EXPECTED_LENGTH])
        start = header.flatbuffer_offset
        schema = files("executorch.backends.xnnpack.serialization").joinpath("schema.fbs")
        with TemporaryDirectory(prefix="hwprof-", dir=place) as folder:
            Path(folder, "schema.fbs").write_bytes(schema.read_bytes())
            binary = Path(folder, "graph.bin")
            binary.write_bytes(payload[start : start + header.flatbuffer_size])
            _flatc_decompile(folder, str(Path(folder, "schema.fbs")), str(binary))
            text = Path(folder, "graph.json").read_text()
        # The compiler writes infinities bare, which is no JSON that Python reads.
        graph = json.loads(re.sub(r"(?<=: )(-?)inf\b", r"\1Infinity", text))
    except Exception as error:  # a missing compiler, another schema: no common base
        raise _unreadable(repr(error)) from error
    if not isinstance(graph, dict):
        raise _unreadable("it is no table")
    return graph


def _unreadable(reason: str) -> DeviceError:
    reason = " ".join(reason.split())[:200]
    return DeviceError(
        f"the graph that executorch handed to XNNPACK cannot be read ({reason}); "
        "install executorch 1.5, or use --no-per-op"
    )
