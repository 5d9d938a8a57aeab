"""TensorRT on NVIDIA GPUs."""

from hwprof.devices.tensorrt.device import TensorRt

__all__ = ["TensorRt"]
