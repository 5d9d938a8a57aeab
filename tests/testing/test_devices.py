"""The shipped laws, held against the shipped devices, and shown able to fail."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from hwprof.devices.onnxruntime import OnnxRuntimeCpu
from hwprof.errors import OptionError
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.samples import Samples
from hwprof.testing.devices import check_backend, check_bad_model, check_device, check_timing
from hwprof.testing.replay import ReplayDevice


@pytest.mark.parametrize("level", ["none", "basic", "extended", "all"])
def test_onnxruntime_keeps_the_laws(level: str, squeezenet: Path) -> None:
    check_device(OnnxRuntimeCpu(level=level), load_model(squeezenet))


def test_a_replay_keeps_the_laws(mlp: Path) -> None:
    device = ReplayDevice(Samples(np.array([1e-3, 2e-3])))
    check_device(device, load_model(mlp))


def test_bad_models_are_refused(mlp: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(mlp.read_bytes()[:100])
    check_bad_model(OnnxRuntimeCpu(), Model(broken, load_model(mlp).subject))


def test_the_laws_can_be_broken(mlp: Path) -> None:
    class Lenient(OnnxRuntimeCpu):
        @classmethod
        def create(cls, options: Mapping[str, str]) -> OnnxRuntimeCpu:
            return cls()

    with pytest.raises(AssertionError, match="unknown option"):
        check_backend(Lenient)
    timeless = ReplayDevice(Samples(np.zeros(2)))
    with pytest.raises(AssertionError, match="takes time"):
        check_timing(timeless, load_model(mlp))
    with pytest.raises(OptionError):
        OnnxRuntimeCpu.create({"x": "y"})
