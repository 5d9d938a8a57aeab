"""Models in another form: ONNX to PyTorch and LiteRT, lower precisions, exports.

Runtimes whose converters are programs of their own run them through `process`.
"""
