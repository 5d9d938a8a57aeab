"""Apache TVM: ONNX models compiled by Relax and LLVM for the processor they are measured on."""

from hwprof.devices.tvm.device import TvmCpu as TvmCpu

__all__ = ["TvmCpu"]
