"""A GPU as part of a device's identity, and as what a session runs on."""

from __future__ import annotations

from dataclasses import replace

from hwprof.device_spec import Hardware
from hwprof.errors import DeviceError
from hwprof.machine.accelerator import Accelerator
from hwprof.machine.gpu.driver import Cuda, open_cuda
from hwprof.machine.gpu.nvml import Gpu, Nvml, open_nvml
from hwprof.machine.gpu.precision import refuse_unsupported
from hwprof.machine.gpu.state import GpuState
from hwprof.machine.host import hardware
from hwprof.machine.meters.base import EnergyMeter


def find_gpu(index: int, cuda: Cuda | None = None, nvml: Nvml | None = None) -> Gpu:
    """The GPU that CUDA numbers `index`, found in NVML by its UUID.

    The two number GPUs differently: CUDA puts the fastest first and obeys CUDA_VISIBLE_DEVICES.
    Raises DeviceError.
    """
    # NVML first: its reason is the plainer one where there is no driver at all.
    management = nvml or open_nvml()
    whole, slice_ = (cuda or open_cuda()).device(index).uuids()
    try:
        return management.by_uuid(whole)
    except DeviceError:
        return management.by_uuid(slice_)


def gpu_hardware(index: int) -> Hardware:
    """The machine with the GPU that CUDA numbers `index`. Raises DeviceError."""
    return replace(hardware(), accelerator=find_gpu(index).facts.description)


class NvidiaGpu(Accelerator):
    """The GPU that a session runs on, to be watched while it is measured."""

    def __init__(self, index: int, precision: str) -> None:
        """Raises DeviceError, also when the GPU does not compute in `precision` itself."""
        self._gpu = find_gpu(index)
        capability = open_cuda().device(index).capability()
        refuse_unsupported(precision, capability, self._gpu.facts.name)

    def state(self) -> GpuState:
        return self._gpu.state()

    def meter(self) -> EnergyMeter:
        from hwprof.machine.meters.nvml import NvmlMeter

        return NvmlMeter(self._gpu)
