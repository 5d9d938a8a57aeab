"""What a lowered program will execute, kept after the graphs and weights are let go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hwprof.convert.executorch.xnnpack_graph import XnnOperator
from hwprof.graph import Kernel, TensorSpec


@dataclass(frozen=True, slots=True)
class DelegatedNode:
    """A node of the exported graph that went into a delegate."""

    name: str
    handle: int | None
    """What XNNPACK's operators call it; nodes that the lowering split share one."""
    sources: tuple[str, ...]
    """Nodes of the model file that it stands for."""
    reads: tuple[str, ...]
    """The delegated nodes whose results it takes, the data before weights."""
    idle: bool
    """Whether it only hands its input on, in another shape perhaps."""


@dataclass(frozen=True, slots=True)
class DelegateCall:
    """One instruction: a call of XNNPACK."""

    name: str
    operators: tuple[XnnOperator, ...]
    nodes: tuple[DelegatedNode, ...]
    inputs: tuple[TensorSpec | None, ...]
    outputs: tuple[TensorSpec | None, ...]


@dataclass(frozen=True, slots=True)
class NativeCall:
    """One instruction: a kernel of the runtime's own library."""

    name: str
    kernel: Kernel
    sources: tuple[str, ...]
    idle: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """`instructions` by their number in the program; `working` are source nodes with work."""

    instructions: Mapping[int, DelegateCall | NativeCall]
    working: tuple[str, ...]
    weights_bytes: int
    """Of all weights of the exported model; the program stores equal ones once."""

    @property
    def delegates(self) -> int:
        return sum(isinstance(each, DelegateCall) for each in self.instructions.values())
