"""LiteRT (formerly TensorFlow Lite) on the CPU."""

from hwprof.devices.litert.device import LiteRtCpu

__all__ = ["LiteRtCpu"]
