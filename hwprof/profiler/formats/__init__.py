"""Model files other than ONNX ones, read for their inputs."""
