"""Models in another form.

- `torch`: an ONNX model, or a program of torch.export, as a torch module (`to_module`,
  `read_exported`), and modules saved as programs.
- `litert`: an ONNX model written as a LiteRT file (`to_litert`).
- `precision`: an ONNX model in fp16 or int8, by ONNX Runtime's tools (`in_precision`).
- `process`: running the converters that runtimes bring as programs of their own
  (`run_converter`). What they are given is `hwprof.models.onnx.decide.decided_copy`.
"""
