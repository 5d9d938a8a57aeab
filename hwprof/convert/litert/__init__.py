"""From an ONNX model to a LiteRT one, for inference in float32."""

from hwprof.convert.litert.converter import Border, Converted, convert

__all__ = ["Border", "Converted", "convert"]
