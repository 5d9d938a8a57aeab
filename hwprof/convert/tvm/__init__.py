"""ONNX models as Relax modules, each binding led back to its node."""
