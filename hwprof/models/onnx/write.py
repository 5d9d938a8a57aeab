"""ONNX models written from code: nodes, ends and initialisers in, a model out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx

    from hwprof.graph import TensorSpec

OPSET = 17
"""The first with LayerNormalization."""
IR_VERSION = 8
"""The one of the opset: whatever reads the opset reads it."""


@dataclass(frozen=True, slots=True)
class Node:
    """An operator of the ONNX domain, the names of what it reads and writes, its attributes."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


def write_model(
    name: str,
    nodes: Iterable[Node],
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    initialisers: Iterable[tuple[str, NDArray[np.generic]]] = (),
    producer: str | None = None,
) -> onnx.ModelProto:
    """A model of opset 17, its parts in the order given.

    `nodes` are in an order in which they can run; `initialisers` are names and values, taken one
    at a time. The same parts give the same bytes. Nothing is checked: `onnx.checker` does that.
    Raises TypeError for an input or output of a type that NumPy does not have.
    """
    from onnx import helper, numpy_helper

    graph = helper.make_graph(
        [
            helper.make_node(
                node.op, [*node.inputs], [*node.outputs], name=node.name, **node.attributes
            )
            for node in nodes
        ],
        name,
        [_end(spec) for spec in inputs],
        [_end(spec) for spec in outputs],
        [numpy_helper.from_array(values, tensor) for tensor, values in initialisers],
    )
    # An empty name would be written down too.
    named = {} if producer is None else {"producer_name": producer}
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, **named
    )


def _end(spec: TensorSpec) -> onnx.ValueInfoProto:
    from onnx import helper

    kind = helper.np_dtype_to_tensor_dtype(np.dtype(spec.dtype))
    return helper.make_tensor_value_info(spec.name, kind, spec.shape)
