"""ExecuTorch on the CPU: programs of torch.export lowered for XNNPACK or the portable kernels."""

from hwprof.devices.executorch.device import ExecuTorchCpu

__all__ = ["ExecuTorchCpu"]
