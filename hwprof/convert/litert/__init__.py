"""ONNX models as LiteRT ones, for inference in float32.

from hwprof.convert.litert.model import to_litert
written = to_litert(path, subject.inputs, target)
"""
