"""Attributes of a kernel as canonical text: equal text for equal cost, whatever wrote the model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, numpy_helper

from hwprof.graph import TensorSpec
from hwprof.models.onnx.elements import onnx_dtype
from hwprof.models.onnx.graph import OWN_DOMAINS, SOFTMAX_ALONG_AXIS, SOFTMAXES

SMALL = 16
"""Largest number of elements of an integer constant whose values belong to a kernel's identity."""

_LONGEST = 120
_INTEGERS = frozenset({TensorProto.INT32, TensorProto.INT64})

# They change the numbers that come out, never how long it takes.
_COSTLESS = frozenset({"epsilon", "momentum", "seed", "consumed_inputs"})

_SLIDING = frozenset(
    {"Conv", "FusedConv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool"}
    | {"ConvInteger", "QLinearConv", "QLinearAveragePool", "NhwcMaxPool", "NhwcFusedConv"}
)
_POOLS = frozenset({"MaxPool", "AveragePool", "LpPool", "QLinearAveragePool", "NhwcMaxPool"})


def canonical_attributes(
    node: NodeProto, inputs: tuple[TensorSpec | None, ...], opset: int
) -> Mapping[str, str]:
    """Attributes of `node` as text, sorted by name. `opset` is that of the node's own domain.

    Integers and shortest round-trip floats, lists joined with commas, tensors as their type and
    shape (with the values of a small integer one), subgraphs as the hash of their structure
    without tensor names. Strides, dilations, pads and group of a sliding window are written out
    where the model leaves them to their defaults. `flatten=1` marks the softmax of old opsets.
    """
    texts = {a.name: _text(a) for a in node.attribute if a.name not in _COSTLESS}
    if node.op_type in _SLIDING:
        _spell_out(node.op_type, texts, inputs)
    softmax = node.op_type in SOFTMAXES and node.domain in OWN_DOMAINS
    if softmax and opset < SOFTMAX_ALONG_AXIS:
        texts["flatten"] = "1"
    return dict(sorted(texts.items()))


def is_small_integer(tensor: TensorProto) -> bool:
    return tensor.data_type in _INTEGERS and int(np.prod(tensor.dims, dtype=np.int64)) <= SMALL


def structure_hash(graph: GraphProto) -> str:
    """First 16 hex digits of the SHA-256 of a graph's structure; tensor names do not matter."""
    numbers: dict[str, int] = {}

    def number(name: str) -> str:
        return "-" if not name else str(numbers.setdefault(name, len(numbers)))

    lines = ["in " + ",".join(number(i.name) for i in graph.input)]
    for tensor in graph.initializer:
        lines.append(f"const {number(tensor.name)} {_tensor(tensor)}")
    for node in graph.node:
        attributes = ";".join(
            f"{a.name}={_text(a)}"
            for a in sorted(node.attribute, key=lambda a: a.name)
            if a.name not in _COSTLESS
        )
        reads = ",".join(map(number, node.input))
        writes = ",".join(map(number, node.output))
        lines.append(f"{node.domain}:{node.op_type}{{{attributes}}} {reads} {writes}")
    lines.append("out " + ",".join(number(o.name) for o in graph.output))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _text(attribute: AttributeProto) -> str:
    kind = attribute.type
    if kind == AttributeProto.INT:
        return str(attribute.i)
    if kind == AttributeProto.FLOAT:
        return _float(attribute.f)
    if kind == AttributeProto.STRING:
        return _shorten(attribute.s.decode(errors="backslashreplace"))
    if kind == AttributeProto.TENSOR:
        return _tensor(attribute.t)
    if kind == AttributeProto.GRAPH:
        return f"graph#{structure_hash(attribute.g)}"
    if kind == AttributeProto.INTS:
        return _shorten(",".join(str(i) for i in attribute.ints))
    if kind == AttributeProto.FLOATS:
        return _shorten(",".join(_float(f) for f in attribute.floats))
    if kind == AttributeProto.STRINGS:
        return _shorten(",".join(s.decode(errors="backslashreplace") for s in attribute.strings))
    if kind == AttributeProto.TENSORS:
        return _shorten(",".join(_tensor(t) for t in attribute.tensors))
    if kind == AttributeProto.GRAPHS:
        return ",".join(f"graph#{structure_hash(g)}" for g in attribute.graphs)
    return "#" + hashlib.sha256(attribute.SerializeToString(deterministic=True)).hexdigest()[:16]


def _float(value: float) -> str:
    # Attributes are 32-bit floats: 0.01 must not read 0.009999999776482582.
    return str(np.float32(value))


def _shorten(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return f"#{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _tensor(tensor: TensorProto) -> str:
    text = f"{onnx_dtype(tensor.data_type)}[{','.join(str(d) for d in tensor.dims)}]"
    if is_small_integer(tensor) and tensor.data_location != TensorProto.EXTERNAL:
        values = numpy_helper.to_array(tensor).ravel().tolist()
        text += f"=({','.join(str(v) for v in values)})"
    return text


def _spell_out(op: str, texts: dict[str, str], inputs: tuple[TensorSpec | None, ...]) -> None:
    """Fill in what a convolution or a pool does when the model leaves it out."""
    texts.setdefault("auto_pad", "NOTSET")
    weight = inputs[3 if op == "QLinearConv" else 1] if len(inputs) > 1 else None
    if "kernel_shape" in texts:
        rank = texts["kernel_shape"].count(",") + 1
    elif op not in _POOLS and weight is not None and len(weight.shape) > 2:
        rank = len(weight.shape) - 2
        texts["kernel_shape"] = ",".join(str(d) for d in weight.shape[2:])
    else:
        return
    texts.setdefault("strides", ",".join("1" * rank))
    texts.setdefault("dilations", ",".join("1" * rank))
    if texts["auto_pad"] == "NOTSET":
        texts.setdefault("pads", ",".join("0" * 2 * rank))
    if op not in _POOLS:
        texts.setdefault("group", "1")
