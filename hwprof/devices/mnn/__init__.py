"""MNN on the CPU."""

from hwprof.devices.mnn.device import MnnCpu

__all__ = ["MnnCpu"]
