from __future__ import annotations

import ctypes

import numpy as np
import pytest

from hwprof.errors import DeviceError
from hwprof.machine.gpu import driver, hardware
from hwprof.machine.gpu.driver import Cuda, CudaError
from hwprof.machine.gpu.nvml import Nvml
from tests.machine.gpu.fake_nvml import UUID, Board, FakeNvml


def test_a_gpu_by_its_number(stub_cuda: ctypes.CDLL) -> None:
    cuda = Cuda(stub_cuda)
    assert cuda.version() == "12.8"
    gpu = cuda.device(0)
    assert gpu.uuids() == (UUID, UUID.replace("GPU", "MIG"))
    assert gpu.capability() == (9, 0)
    assert gpu.l2_bytes() == 50 << 20
    with pytest.raises(DeviceError, match="no GPU 5; choose another with device=N"):
        cuda.device(5)


def test_memory_goes_there_and_back_and_is_freed(stub_cuda: ctypes.CDLL) -> None:
    context = Cuda(stub_cuda).device(0).open()
    data = np.arange(12, dtype=np.float32)
    address = context.allocate(data.nbytes)
    context.upload(address, data)
    back = np.empty_like(data)
    context.download(back, address)
    assert np.array_equal(back, data)
    context.fill(address, 16)
    context.download(back, address)
    assert back[:4].tolist() == [0, 0, 0, 0]
    assert back[4] == 4
    assert context.stream != 0
    context.close()
    context.close()
    assert stub_cuda.stub_live() == 0
    assert stub_cuda.stub_contexts() == 0


def test_events_keep_time(stub_cuda: ctypes.CDLL) -> None:
    context = Cuda(stub_cuda).device(1).open()
    start, stop = context.event(), context.event()
    context.record(start)
    context.record(stop)
    context.wait(stop)
    assert 0 <= context.elapsed_s(start, stop) < 10
    context.close()


def test_a_failed_call_says_which_and_why(stub_cuda: ctypes.CDLL) -> None:
    context = Cuda(stub_cuda).device(0).open()
    with pytest.raises(CudaError, match=r"cuMemAlloc_v2 failed with CUDA_ERROR_OUT_OF_MEMORY"):
        context.allocate(1 << 40)
    context.close()


def test_cuda_and_nvml_mean_the_same_gpu(stub_cuda: ctypes.CDLL) -> None:
    # NVML counts the other way round here, as it may.
    other = Cuda(stub_cuda).device(1).uuids()[0]
    nvml = Nvml(FakeNvml(Board("second", uuid=other), Board("first")))
    assert hardware.find_gpu(0, Cuda(stub_cuda), nvml).facts.name == "first"
    assert hardware.find_gpu(1, Cuda(stub_cuda), nvml).facts.name == "second"


def test_a_slice_is_found_by_its_own_name(stub_cuda: ctypes.CDLL) -> None:
    nvml = Nvml(FakeNvml(Board("slice", uuid=UUID.replace("GPU", "MIG"))))
    assert hardware.find_gpu(0, Cuda(stub_cuda), nvml).facts.name == "slice"


def test_no_driver_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    driver.open_cuda.cache_clear()
    monkeypatch.setattr(driver, "LIBRARY", "libno-such-driver.so.1")
    with pytest.raises(DeviceError, match="does not load") as error:
        driver.open_cuda()
    assert "\n" not in str(error.value)
