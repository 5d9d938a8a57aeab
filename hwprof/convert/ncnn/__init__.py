"""ONNX models as ncnn files, by pnnx, and the layers that such a file holds."""
