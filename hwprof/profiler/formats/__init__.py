"""Model files of other forms than ONNX: each module reads one, as `model_file` reads ONNX."""
