"""Building a torch.fx graph call by call, with every shape known and every constant folded."""

from __future__ import annotations

import keyword
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import fx
from torch._subclasses.fake_tensor import FakeTensorMode

from hwprof.models.bounded import bounded_memory

SOURCE_NODES = "hwprof_source_nodes"
"""Key under `node.meta["custom"]` that holds the names of the ONNX nodes a call stands for.

torch.export, its decompositions and the quantisers copy `custom` to every node they derive.
"""

# What one constant may take that is computed now: a file of a few bytes may ask for any size.
FOLDED_BYTES = 4 << 30


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A tensor while converting: a constant, or what a call of the graph gives.

    `sample` is the tensor itself where it is constant, otherwise a fake one: type, shape and
    strides without elements.
    """

    sample: torch.Tensor
    node: fx.Node | None = None

    @property
    def constant(self) -> bool:
        return self.node is None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.sample.shape)

    @property
    def rank(self) -> int:
        return self.sample.dim()

    @property
    def dtype(self) -> torch.dtype:
        return self.sample.dtype

    @property
    def floating(self) -> bool:
        return self.sample.dtype.is_floating_point


class Builder:
    """A torch.fx graph in the making.

    `floats` is the type that float32 becomes, float32 itself unless the model is to run in another
    precision. Calls without a tensor among their arguments are carried out at once and leave no
    trace; so are, with `fold`, those on constant tensors alone.
    """

    def __init__(self, floats: torch.dtype = torch.float32, fold: bool = True) -> None:
        self.floats = floats
        self._fold = fold
        self.sources: tuple[str, ...] = ()
        """Names of the ONNX nodes that calls made now stand for."""
        self._graph = fx.Graph()
        self._root = torch.nn.Module()
        self._fake = FakeTensorMode()
        # Keyed by identity; the values keep the tensors alive, so that no id is used twice.
        self._stored: dict[int, tuple[torch.Tensor, fx.Node, torch.Tensor]] = {}
        self._attributes: set[str] = set()
        self._names: dict[int, str] = {}

    def input(self, name: str, shape: Sequence[int], dtype: torch.dtype) -> Value:
        """A placeholder, in the order of the calls."""
        node = self._graph.placeholder(identifier(name))
        with self._fake:
            sample = torch.empty(tuple(shape), dtype=self.dtype(dtype))
        return Value(sample, node)

    def dtype(self, dtype: torch.dtype) -> torch.dtype:
        """The type that `dtype` becomes in the precision asked for."""
        return self.floats if dtype == torch.float32 else dtype

    def constant(self, value: object, name: str = "") -> Value:
        """A constant from an array, a tensor or numbers; `name` is what its parameter is called."""
        if isinstance(value, torch.Tensor):
            tensor = value
        elif isinstance(value, (np.ndarray, np.generic)):
            tensor = from_array(np.asarray(value))
        else:
            tensor = torch.tensor(value)
        if tensor.dtype == torch.float32:
            tensor = tensor.to(self.floats)
        if name:
            self._names[id(tensor)] = name
        return Value(tensor)

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Value:
        """One call of a function that returns one tensor; values may stand anywhere in it."""
        found = self.calls(function, *args, **kwargs)
        return found if isinstance(found, Value) else found[0]

    def calls(
        self, function: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Value | tuple[Value, ...]:
        """As `call`, for a function that may return several tensors."""
        values = _values_in((args, kwargs))
        if not values or (self._fold and all(value.constant for value in values)):
            plain = fx.node.map_aggregate((args, kwargs), _sample)
            with torch.no_grad(), bounded_memory(FOLDED_BYTES):
                result = function(*plain[0], **plain[1])
            if isinstance(result, torch.Tensor):
                return Value(result)
            return tuple(Value(each) for each in result)
        fakes = fx.node.map_aggregate((args, kwargs), self._fake_of)
        with self._fake, torch.no_grad():
            result = function(*fakes[0], **fakes[1])
        nodes = fx.node.map_aggregate((args, kwargs), self._node_of)
        name = identifier(self.sources[-1]) if self.sources else None
        node = self._graph.create_node("call_function", function, *nodes, name=name)
        if isinstance(result, torch.Tensor):
            return self._made(node, result)
        self._mark(node)
        return tuple(self._pick(node, i, each) for i, each in enumerate(result))

    def finish(self, outputs: Sequence[Value]) -> fx.GraphModule:
        """The module that returns `outputs` as a tuple; calls that nobody needs are left out."""
        self._graph.output(tuple(self._node_of(value) for value in outputs))
        self._graph.eliminate_dead_code()
        used = {str(node.target) for node in self._graph.nodes if node.op == "get_attr"}
        for name in self._attributes - used:
            delattr(self._root, name)
        self._graph.lint()
        module = fx.GraphModule(self._root, self._graph, class_name="OnnxModule")
        module.eval()
        return module

    def _pick(self, node: fx.Node, position: int, sample: torch.Tensor | None) -> Value:
        picked = self._graph.call_function(operator.getitem, (node, position))
        # Some operators return nothing in some places, where nobody can want it.
        return self._made(picked, torch.empty(0) if sample is None else sample)

    def _made(self, node: fx.Node, sample: torch.Tensor) -> Value:
        self._mark(node)
        return Value(sample, node)

    def _mark(self, node: fx.Node) -> None:
        node.meta["custom"] = {SOURCE_NODES: list(self.sources)}
        # Quantisers find convolutions and linear layers by it in an exported program.
        node.meta["source_fn_stack"] = [(node.name, node.target)]

    def _fake_of(self, value: Any) -> Any:
        if not isinstance(value, Value):
            return value
        return self._store(value.sample)[2] if value.constant else value.sample

    def _node_of(self, value: Any) -> Any:
        if not isinstance(value, Value):
            return value
        return value.node if value.node is not None else self._store(value.sample)[1]

    def _store(self, tensor: torch.Tensor) -> tuple[torch.Tensor, fx.Node, torch.Tensor]:
        """The graph's node for a constant, which becomes a parameter (floats) or a buffer."""
        found = self._stored.get(id(tensor))
        if found is not None:
            return found
        base = identifier(self._names.get(id(tensor)) or f"constant_{len(self._stored)}")
        name, number = base, 0
        # A name must not hide what nn.Module has of its own.
        while name in self._attributes or name in _TAKEN:
            number += 1
            name = f"{base}_{number}"
        self._attributes.add(name)
        kept = tensor.contiguous() if self._fold else tensor
        if kept.dtype.is_floating_point:
            self._root.register_parameter(name, torch.nn.Parameter(kept, requires_grad=False))
        else:
            self._root.register_buffer(name, kept)
        # Weights stand before all calls, where the code reads them once.
        node = self._graph.get_attr(name)
        with self._fake:
            fake = torch.empty_strided(kept.shape, kept.stride(), dtype=kept.dtype)
        self._stored[id(tensor)] = (tensor, node, fake)
        return self._stored[id(tensor)]


def identifier(name: str) -> str:
    """`name` as a Python identifier: nothing of a model file reaches generated code otherwise."""
    text = re.sub(r"[^0-9A-Za-z_]", "_", name).strip("_")
    return text if text.isidentifier() and not keyword.iskeyword(text) else f"n_{text}"


def from_array(array: np.ndarray) -> torch.Tensor:
    """A tensor with a NumPy array's elements. Raises TypeError for a type that torch lacks."""
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    return torch.from_numpy(np.array(array, order="C"))


_TAKEN = frozenset(dir(torch.nn.Module())) | frozenset(dir(fx.GraphModule)) | {"graph", "code"}


def _sample(value: Any) -> Any:
    return value.sample if isinstance(value, Value) else value


def _values_in(arguments: tuple[tuple[Any, ...], Mapping[str, Any]]) -> list[Value]:
    found: list[Value] = []

    def note(value: Any) -> Any:
        if isinstance(value, Value):
            found.append(value)
        return value

    fx.node.map_aggregate(arguments, note)
    return found
