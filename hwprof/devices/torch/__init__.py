"""PyTorch on the CPU: eager, or compiled by inductor."""

from hwprof.devices.torch.device import TorchCpu

__all__ = ["TorchCpu"]
