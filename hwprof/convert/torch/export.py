"""Torch modules as programs of torch.export in a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hwprof.convert.torch.runtime import import_runtime, quiet
from hwprof.errors import ModelError, OptionError, one_line


def save(model: Any, inputs: Any, folder: Path) -> tuple[Path, Any]:
    """Write a torch module, exported with `inputs`, or a program of torch.export into `folder`.

    `inputs` are the module's arguments: a tensor, a sequence of tensors, or a mapping by name.
    Gives the file and the values for the inputs that it declares: for a module the tensors among
    its arguments, in the order of the declared ones.
    Raises OptionError for a module without inputs, ModelError for one that does not export.
    """
    torch = import_runtime()
    program = model
    if isinstance(model, torch.nn.Module):
        program = _exported(torch, model, inputs)
        inputs = _tensors(torch, program.example_inputs)
    elif not isinstance(model, torch.export.ExportedProgram):
        raise ModelError(
            f"a {type(model).__name__} is no torch module; give an nn.Module, or what "
            "torch.export.export returns"
        )
    path = folder / "model.pt2"
    try:
        with quiet():
            torch.export.save(program, str(path))
    except Exception as error:  # unusual tensors and operators, each with an error of its own
        raise ModelError(
            f"torch cannot save the exported model: {one_line(error)}; "
            "export it to ONNX and measure the file"
        ) from error
    return path, inputs


def _tensors(torch: Any, arguments: Any) -> list[Any]:
    leaves = torch.utils._pytree.tree_leaves(arguments)
    return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]


def _as_tensor(torch: Any, value: Any) -> Any:
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


def _exported(torch: Any, module: Any, inputs: Any) -> Any:
    name = type(module).__name__
    if inputs is None:
        raise OptionError(
            f"measuring the torch module {name} needs example inputs; "
            "give inputs=(tensor, ...) in the shapes to measure"
        )
    if module.training:
        raise ModelError(f"the module {name} is in training mode; call its eval() first")
    args: tuple[Any, ...] = ()
    kwargs = None
    inputs = torch.utils._pytree.tree_map(lambda value: _as_tensor(torch, value), inputs)
    if isinstance(inputs, Mapping):
        kwargs = dict(inputs)
    else:
        args = tuple(inputs) if isinstance(inputs, (list, tuple)) else (inputs,)
    try:
        with quiet(), torch.no_grad():
            return torch.export.export(module, args, kwargs)
    except Exception as error:  # whatever the module's own code raises arrives here
        raise ModelError(
            f"torch cannot export the module {name}: {one_line(error)}; "
            "check its inputs, or export it yourself and give the program"
        ) from error
