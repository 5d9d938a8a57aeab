"""From a model file to a torch module, in the precision and layout asked for, and its inputs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import fx

from hwprof.convert.torch.builder import Builder, from_array
from hwprof.convert.torch.exported import read_exported
from hwprof.convert.torch.module import to_module
from hwprof.models.base import Model
from hwprof.models.inputs import tensors_of

FLOATS: Mapping[str, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "int8": torch.float32,  # what is not quantised, and what the quantiser starts from
}


def load_module(
    model: Model, precision: str, channels_last: bool
) -> tuple[fx.GraphModule, tuple[torch.Tensor, ...]]:
    """The module of a model, with the inputs to time it on, in the order of the subject's.

    Raises ModelError for what cannot be read or converted.
    """
    floats = FLOATS[precision]
    values = tensors_of(model)
    if model.format == "onnx":
        module = to_module(model.path, model.subject, floats)
    else:
        module = read_exported(model.path, model.subject, floats, values)
    inputs = tuple(_tensor(value, floats) for value in values.values())
    if channels_last:
        _last(module)
        inputs = tuple(_channels_last(each) for each in inputs)
    return module, inputs


def prepare() -> None:
    """Have torch import what it imports late, so that no model's set-up pays for it."""
    build = Builder()
    build.finish([build.call(torch.relu, build.input("x", (1,), torch.float32))])


def to_array(value: torch.Tensor) -> np.ndarray:
    """An output for comparison; types that NumPy lacks come as float32."""
    value = value.detach()
    if value.dtype == torch.bfloat16:
        value = value.float()
    array: np.ndarray = value.contiguous().numpy()
    return array


def _tensor(array: np.ndarray, floats: torch.dtype) -> torch.Tensor:
    tensor = from_array(array)
    return tensor.to(floats) if tensor.dtype == torch.float32 else tensor


def _channels_last(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.dim() != 4:
        return tensor
    return tensor.contiguous(memory_format=torch.channels_last)


def _last(module: torch.nn.Module) -> None:
    """Channels innermost in every weight of four dimensions, as `Module.to` does it."""
    for parameter in module.parameters():
        parameter.data = _channels_last(parameter.data)
