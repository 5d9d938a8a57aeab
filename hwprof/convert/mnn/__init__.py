"""ONNX models as MNN files, by MNN's own converter, and what such a file holds."""
