"""ONNX models as PyTorch modules, written with the layers that a PyTorch user would have used.

    from hwprof.convert.torch.module import to_module
    module = to_module(path, subject)
    exported = torch.export.export(module, inputs)

Nothing is imported here: `hwprof.convert.torch.runtime` says whether PyTorch is here without it.
"""
