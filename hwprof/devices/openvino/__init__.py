"""OpenVINO on the CPU."""

from hwprof.devices.openvino.device import OpenVinoCpu

__all__ = ["OpenVinoCpu"]
