"""Models as hwprof sees them: tensors, kernels and the order kernels run in."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

# Bytes per element, by the name NumPy and ONNX share. Sub-byte types are rounded up by nbytes().
ITEM_BITS: Mapping[str, int] = {
    "bool": 8,
    "int4": 4,
    "uint4": 4,
    "int8": 8,
    "uint8": 8,
    "float8": 8,
    "int16": 16,
    "uint16": 16,
    "float16": 16,
    "bfloat16": 16,
    "int32": 32,
    "uint32": 32,
    "float32": 32,
    "int64": 64,
    "uint64": 64,
    "float64": 64,
    "complex64": 64,
    "complex128": 128,
}


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor with its shape decided.

    `constant` marks a weight (known before the run); `value` holds the elements of a small
    integer constant (axes, target shapes), because those decide what a kernel does.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    constant: bool = False
    value: tuple[int, ...] | None = None

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int | None:
        """Size in bytes, or None for a type without a fixed size (strings, sequences)."""
        bits = ITEM_BITS.get(self.dtype)
        return None if bits is None else (self.elements * bits + 7) // 8

    def describe(self) -> str:
        """`float32[1,3,224,224]`, prefixed `const ` for a weight, with `=(...)` for its value."""
        dims = ",".join(str(d) for d in self.shape)
        text = f"{'const ' if self.constant else ''}{self.dtype}[{dims}]"
        if self.value is not None:
            text += "=(" + ",".join(str(v) for v in self.value) + ")"
        return text


@dataclass(frozen=True, slots=True)
class Kernel:
    """One operation as the runtime executes it, independent of where it stands in a model.

    Two kernels with the same `key` cost the same on the same device: the key holds the domain,
    the operator, the sorted attributes (fused activations included) and per input the type,
    shape and whether it is a constant. Tensor names are not part of it.
    """

    domain: str
    op: str
    attributes: Mapping[str, str]
    inputs: tuple[TensorSpec | None, ...]
    outputs: tuple[TensorSpec | None, ...]

    @property
    def key(self) -> str:
        attributes = ";".join(f"{k}={_plain(v)}" for k, v in sorted(self.attributes.items()))
        inputs = ",".join("-" if t is None else t.describe() for t in self.inputs)
        domain = self.domain or "ai.onnx"
        return f"{domain}:{self.op}{{{attributes}}}({inputs})"

    @property
    def key_hash(self) -> str:
        """First 16 hex digits of the SHA-256 of `key`: a short name for joins and files."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:16]


def _plain(value: str) -> str:
    """An attribute's value, quoted where it holds what the key's own punctuation is made of."""
    return json.dumps(value) if re.search(r'[;={}"]', value) else value


@dataclass(frozen=True, slots=True)
class Node:
    """A kernel at its place in a graph: which tensors it reads and writes."""

    name: str
    kernel: Kernel
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    source_nodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in execution order, with the tensors that enter and leave."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    uncovered: tuple[str, ...] = field(default=())
    """Source nodes that no kernel claims and that were not folded away."""
