"""ONNX Runtime on the CPU."""

from hwprof.devices.onnxruntime.device import OnnxRuntimeCpu

__all__ = ["OnnxRuntimeCpu"]
