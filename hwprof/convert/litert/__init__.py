"""From an ONNX model to a LiteRT one, for inference in float32."""

from hwprof.convert.litert.model import Border, LiteRtModel, to_litert

__all__ = ["Border", "LiteRtModel", "to_litert"]
