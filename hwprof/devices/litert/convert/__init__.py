"""From an ONNX model to a LiteRT one, for inference in float32."""

from hwprof.devices.litert.convert.converter import Border, Converted, convert

__all__ = ["Border", "Converted", "convert"]
