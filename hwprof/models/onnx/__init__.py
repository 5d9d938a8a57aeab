"""ONNX files: structure, types, graphs, and which nodes a kernel covers."""
