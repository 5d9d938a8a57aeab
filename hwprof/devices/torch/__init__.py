"""PyTorch: on the processor, eager or compiled by inductor, and on NVIDIA GPUs."""

from hwprof.devices.torch.cuda import TorchCuda
from hwprof.devices.torch.device import TorchCpu

__all__ = ["TorchCpu", "TorchCuda"]
