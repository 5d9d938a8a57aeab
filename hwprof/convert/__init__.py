"""Models in another form.

- `torch`: ONNX models (`module.to_module`) and programs of torch.export (`exported.read_exported`)
  as torch modules; modules as programs (`export.save`), quantised modules (`quantise`).
- `litert`: ONNX models as LiteRT files (`model.to_litert`).
- `executorch`, `mnn`, `ncnn`, `tvm`: models in the form that each of these runtimes loads, with
  what is needed to lead its kernels back to the model's nodes.
- `precision`: ONNX models in fp16 or int8, by ONNX Runtime's tools (`in_precision`).
- `process`: running the converters that runtimes bring as programs of their own (`run_converter`).
  What these are given is written by `hwprof.models.onnx.decide.decided_copy`.
"""
