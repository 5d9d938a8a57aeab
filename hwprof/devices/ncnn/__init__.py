"""ncnn on the CPU."""

from hwprof.devices.ncnn.device import NcnnCpu

__all__ = ["NcnnCpu"]
