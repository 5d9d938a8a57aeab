"""Writing small ONNX models: nodes by name, tensors as arrays, one opset for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

OPSET = 17
"""HardSwish came with 14 and LayerNormalization with 17."""
IR_VERSION = 8
"""Goes with opset 17; every runtime that reads the opset reads it."""

Shape = tuple[int, ...]
End = tuple[str, str, Shape]
"""An input or output: its name, its element type as NumPy calls it, and its shape."""


@dataclass(frozen=True, slots=True)
class Node:
    """An operator of the default domain."""

    op: str
    name: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    attributes: Mapping[str, Any] = field(default_factory=dict)


def onnx_model(
    name: str,
    nodes: Iterable[Node],
    inputs: Iterable[End],
    outputs: Iterable[End],
    tensors: Iterable[tuple[str, NDArray[Any]]] = (),
    producer: str | None = None,
) -> onnx.ModelProto:
    """A model whose graph is called `name`; `tensors` are its weights and constants, in order.

    The same arguments give the same bytes. Nothing is checked: `onnx.checker` does that.
    """
    from onnx import helper, numpy_helper

    def ends(given: Iterable[End]) -> list[onnx.ValueInfoProto]:
        return [
            helper.make_tensor_value_info(
                end, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape
            )
            for end, dtype, shape in given
        ]

    graph = helper.make_graph(
        [
            helper.make_node(node.op, node.inputs, node.outputs, node.name, **node.attributes)
            for node in nodes
        ],
        name,
        ends(inputs),
        ends(outputs),
        [numpy_helper.from_array(array, tensor) for tensor, array in tensors],
    )
    # A producer that is not named must not be written down as an empty one.
    named = {} if producer is None else {"producer_name": producer}
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, **named
    )
