from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from hwprof.machine.gpu.driver import Cuda
from hwprof.machine.gpu.nvml import Nvml
from tests.devices.tensorrt.fake_tensorrt import FakeTensorRt
from tests.machine.gpu.fake_nvml import Board, FakeNvml
from tests.machine.gpu.stub import compile_stub


@pytest.fixture(scope="session")
def stub_cuda(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return compile_stub(Path(tmp_path_factory.mktemp("cuda")))


@pytest.fixture
def trt(monkeypatch: pytest.MonkeyPatch, stub_cuda: ctypes.CDLL) -> FakeTensorRt:
    """A machine with TensorRT 10 and one GPU, as far as hwprof can tell."""
    fake, cuda, nvml = FakeTensorRt(), Cuda(stub_cuda), Nvml(FakeNvml(Board(energy_step_mj=1)))
    monkeypatch.setattr("hwprof.devices.tensorrt.device.import_runtime", lambda: fake)
    monkeypatch.setattr("hwprof.machine.gpu.driver.open_cuda", lambda: cuda)
    monkeypatch.setattr("hwprof.machine.gpu.hardware.open_cuda", lambda: cuda)
    monkeypatch.setattr("hwprof.machine.gpu.hardware.open_nvml", lambda: nvml)
    return fake
