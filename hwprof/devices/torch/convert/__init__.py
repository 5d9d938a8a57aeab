"""ONNX models as PyTorch modules, written with the layers that a PyTorch user would have used.

from hwprof.devices.torch.convert import to_module
module = to_module(path, subject)
exported = torch.export.export(module, inputs)
"""

from hwprof.devices.torch.convert.builder import SOURCE_NODES
from hwprof.devices.torch.convert.module import source_nodes, to_module

__all__ = ["SOURCE_NODES", "source_nodes", "to_module"]
