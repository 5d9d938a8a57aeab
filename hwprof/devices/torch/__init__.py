"""PyTorch on NVIDIA GPUs."""

from hwprof.devices.torch.cuda import TorchCuda

__all__ = ["TorchCuda"]
