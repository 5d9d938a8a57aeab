"""Programs of torch.export as torch modules, built from their graphs by our own hand."""

from __future__ import annotations

import importlib
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn
from zipfile import ZipFile

import numpy as np
import torch
from torch import fx

from hwprof.convert.torch.allowed import ALLOWED
from hwprof.convert.torch.builder import Builder, Value
from hwprof.errors import ModelError, one_line
from hwprof.measurement import Subject
from hwprof.models.advice import to_run
from hwprof.models.pt2.archive import LARGEST, SCALAR_TYPES, Archive, Weight, read_archive

_NAME = re.compile(r"torch\.ops\.(\w+)\.(\w+)\.(\w+)", re.ASCII)
# Checks that an export writes down; a run needs none of them.
_CHECKS = frozenset(
    {"_assert_tensor_metadata", "_assert_async", "_assert_scalar", "sym_constrain_range"}
    | {"sym_constrain_range_for_size"}
)
# What exports compute sizes with; both sides are numbers here, because all sizes are decided.
_NUMBERS: Mapping[str, Callable[..., Any]] = {
    f"_operator.{name}": getattr(operator, name)
    for name in ("add", "sub", "mul", "floordiv", "mod", "neg", "eq", "ne", "lt", "le", "gt", "ge")
}
_ITEM = frozenset({"torch.ops.aten.item.default", "torch.ops.aten._local_scalar_dense.default"})
_SIZE = "torch.ops.aten.sym_size.int"
_PLAIN = frozenset(
    {"as_int", "as_bool", "as_string", "as_ints", "as_bools", "as_floats", "as_strings"}
)
_LAYOUTS = {7: torch.strided}
_FORMATS = {
    1: torch.contiguous_format,
    2: torch.channels_last,
    3: torch.channels_last_3d,
    4: torch.preserve_format,
}


def read_exported(
    path: Path,
    subject: Subject,
    floats: torch.dtype = torch.float32,
    values: Mapping[str, np.ndarray] | None = None,
) -> fx.GraphModule:
    """The program in a .pt2 file as a module: one call per node of its graph.

    The module takes the program's inputs in order, in the shapes of `subject`, and returns its
    outputs as a tuple; source nodes are the graph's own. Only operators of PyTorch itself are
    taken, by a list (hwprof.convert.torch.allowed); nothing of the file is unpickled or
    evaluated. `floats` is what float32 becomes. A number that the program reads out of an input
    (`item`), mostly a size, is taken from `values`: the module is then for these alone. Raises
    ModelError, naming the operator that is not supported.
    """
    archive = read_archive(path)
    return _Reader(archive, floats, values or {}).module(subject)


class _Reader:
    """Rebuilds the graph call by call; sizes are numbers, because every shape is decided."""

    def __init__(
        self, archive: Archive, floats: torch.dtype, known: Mapping[str, np.ndarray]
    ) -> None:
        self.archive = archive
        self.known = known
        self.read: dict[int, np.ndarray] = {}
        # Nothing is folded: the program runs the calls that its author exported.
        self.build = Builder(floats, fold=False)
        self.values: dict[str, Any] = {}

    def module(self, subject: Subject) -> fx.GraphModule:
        for spec, declared in zip(subject.inputs, self.archive.inputs, strict=True):
            dtype = getattr(torch, declared.dtype)
            made = self.build.input(declared.name, spec.shape, dtype)
            self.values[declared.name] = made
            if declared.name in self.known:
                self.read[id(made)] = self.known[declared.name]
        with self.archive.opened() as file:
            for name, weight in self.archive.weights.items():
                tensor = self._stored(file, name, weight)
                self.values[name] = self.build.constant(tensor, name)
        for node in self.archive.graph["nodes"]:
            self._node(node)
        return self.build.finish([self._named(name) for name in self.archive.outputs])

    def _stored(self, file: ZipFile, name: str, weight: Weight) -> torch.Tensor:
        dtype = getattr(torch, weight.dtype)
        try:
            if weight.offset < 0 or any(stride < 0 for stride in weight.strides):
                raise ValueError("negative places")
            flat = torch.empty(0, dtype=dtype)
            if math.prod(weight.sizes):
                # Of the record only what the weight reaches: many may lie in one.
                pairs = zip(weight.sizes, weight.strides, strict=True)
                reach = 1 + sum((size - 1) * stride for size, stride in pairs)
                width = flat.element_size()
                if (weight.offset + reach) * width > file.getinfo(weight.record).file_size:
                    raise ValueError("beyond the record")
                with file.open(weight.record) as stream:
                    stream.seek(weight.offset * width)
                    raw = bytearray(stream.read(reach * width))
                flat = torch.frombuffer(raw, dtype=dtype)
            return flat.as_strided(weight.sizes, weight.strides)
        except (RuntimeError, ValueError, KeyError) as error:
            raise ModelError(
                f"the weight '{name}' of '{self.archive.path.name}' does not fit what is stored; "
                "save it again with torch.export.save"
            ) from error

    def _node(self, node: Mapping[str, Any]) -> None:
        target, outputs = str(node["target"]), node["outputs"]
        if _is_check(target):
            return
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for given in node["inputs"]:
            value = self._value(given["arg"], target)
            if given.get("kind") == 1:
                args.append(value)
            else:
                kwargs[str(given["name"])] = value
        if target == _SIZE:
            self._bind([args[0].shape[args[1]]], outputs, target)
            return
        if target in _NUMBERS:
            self._bind([self._computed(target, args, kwargs)], outputs, target)
            return
        if target in _ITEM:
            self._bind([self._number_in(args[0], target)], outputs, target)
            return
        function = self._function(target)
        name = str(node.get("name") or _first_name(outputs))
        self.build.sources = (name,)
        try:
            made = self.build.calls(function, *args, **kwargs)
        except Exception as error:  # torch raises whatever it likes
            raise ModelError(
                f"'{name}' ({target}) in '{self.archive.path.name}' does not fit its inputs: "
                f"{one_line(error)}; {to_run(str(error))}"
            ) from error
        self._bind([made] if isinstance(made, Value) else list(made), outputs, target)

    def _computed(self, target: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """What an operator of Python's makes of numbers: texts and lists would grow without end."""
        if not all(isinstance(each, int | float) for each in (*args, *kwargs.values())):
            self._refuse(target, "computes with what is no number")
        found = _NUMBERS[target](*args, **kwargs)
        if abs(found) > LARGEST:
            self._refuse(target, "computes a number beyond any size")
        return found

    def _number_in(self, tensor: Any, target: str) -> Any:
        """The number that a tensor of one element holds in every run."""
        if isinstance(tensor, Value) and tensor.constant:
            return tensor.sample.item()
        if id(tensor) not in self.read:
            self._refuse(target, "reads a number that the program computes")
        return self.read[id(tensor)].item()

    def _bind(self, made: Sequence[Any], outputs: Sequence[Mapping[str, Any]], target: str) -> None:
        """Give the results of a call their names in the graph."""
        names: list[str] = []
        for output in outputs:
            ((kind, content),) = output.items()
            if kind == "as_tensors":
                names += [str(each["name"]) for each in content]
            elif kind == "as_tensor":
                names.append(str(content["name"]))
            elif kind in ("as_sym_int", "as_sym_bool"):
                names.append(str(content["as_name"]))
            elif kind == "as_none":
                names.append("")
            else:
                self._refuse(target, f"returns something of the kind '{kind}'")
        for name, value in zip(names, made, strict=False):
            self.values[name] = value

    def _function(self, target: str) -> Callable[..., Any]:
        """The operator of a name. Only those of `ALLOWED`, which compute on tensors, are known."""
        found = _NAME.fullmatch(target)
        if found is None or found[2] not in ALLOWED.get(found[1], ()):
            self._refuse(target, "is no operator of PyTorch's own that models are run on")
        if found[1] == "quantized_decomposed":
            # Importing it registers the operators.
            importlib.import_module("torch.ao.quantization.fx._decomposed")
        packet = getattr(getattr(torch.ops, found[1]), found[2], None)
        overload = getattr(packet, found[3], None) if packet is not None else None
        if not isinstance(overload, torch._ops.OpOverload):
            self._refuse(target, f"does not exist in torch {torch.__version__}")
        return overload

    def _value(self, arg: Mapping[str, Any], target: str) -> Any:
        ((kind, value),) = arg.items()
        if kind == "as_none":
            return None
        if kind in _PLAIN:
            return value
        if kind == "as_float":
            return float(value)
        if kind == "as_tensor":
            return self._named(str(value["name"]))
        if kind == "as_tensors":
            return [self._named(str(each["name"])) for each in value]
        if kind == "as_optional_tensor":
            return self._value(value, target)
        if kind == "as_optional_tensors":
            return [self._value(each, target) for each in value]
        if kind == "as_scalar_type" and value in SCALAR_TYPES:
            return self.build.dtype(getattr(torch, SCALAR_TYPES[value]))
        if kind == "as_memory_format" and value in _FORMATS:
            return _FORMATS[value]
        if kind == "as_layout" and value in _LAYOUTS:
            return _LAYOUTS[value]
        if kind == "as_device":
            return torch.device("cpu")
        if kind == "as_sym_int":
            return self._size(value)
        if kind == "as_sym_ints":
            return [self._size(each) for each in value]
        self._refuse(target, f"has an argument of the kind '{kind}'")

    def _size(self, value: Mapping[str, Any]) -> Any:
        return value["as_int"] if "as_int" in value else self._named(str(value["as_name"]))

    def _named(self, name: str) -> Any:
        if name not in self.values:
            raise ModelError(
                f"'{self.archive.path.name}' reads '{name}', which nothing computes; "
                "save it again with torch.export.save"
            )
        return self.values[name]

    def _refuse(self, target: str, what: str) -> NoReturn:
        raise ModelError(
            f"'{target}' in '{self.archive.path.name}' {what}, which hwprof does not take; "
            "export the model to operators of torch.ops.aten"
        )


def _is_check(target: str) -> bool:
    found = _NAME.fullmatch(target)
    return found is not None and found[1] == "aten" and found[2] in _CHECKS


def _first_name(outputs: Sequence[Mapping[str, Any]]) -> str:
    for output in outputs:
        ((_, content),) = output.items()
        first = content[0] if isinstance(content, list) and content else content
        if isinstance(first, Mapping) and "name" in first:
            return str(first["name"])
    return "call"
