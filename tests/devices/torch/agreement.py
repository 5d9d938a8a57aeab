"""Holding a converted model against ONNX Runtime on the inputs that devices are timed on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from hwprof.models.base import Model
from hwprof.models.inputs import tensors_of


def reference(model: Model) -> list[np.ndarray]:
    """ONNX Runtime's outputs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        str(model.path), options, providers=["CPUExecutionProvider"]
    )
    feed = tensors_of(model)
    return [np.asarray(value) for value in session.run(None, feed)]


def tensors(model: Model) -> tuple[torch.Tensor, ...]:
    """The model's inputs for torch."""
    return tuple(torch.from_numpy(value) for value in tensors_of(model).values())


def worst(expected: Sequence[np.ndarray], got: Sequence[torch.Tensor]) -> float:
    """Largest difference over all outputs, as a share of that output's largest magnitude."""
    shares = []
    for one, other in zip(expected, got, strict=True):
        found = other.numpy()
        assert (found.shape, found.dtype) == (one.shape, one.dtype)
        scale = max(float(np.abs(one).max()), 1e-30)
        shares.append(float(np.abs(one.astype(np.float64) - found).max()) / scale)
    return max(shares)


def folder_of(package: str) -> Path:
    """Where an installed package lies."""
    import importlib.util

    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent
