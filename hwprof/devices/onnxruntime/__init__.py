"""ONNX Runtime: on the CPU, and on NVIDIA GPUs through CUDA or TensorRT."""

from hwprof.devices.onnxruntime.cuda import OnnxRuntimeCuda, OnnxRuntimeTensorRt
from hwprof.devices.onnxruntime.device import OnnxRuntimeCpu

__all__ = ["OnnxRuntimeCpu", "OnnxRuntimeCuda", "OnnxRuntimeTensorRt"]
