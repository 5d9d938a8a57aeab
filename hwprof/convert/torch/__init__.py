"""ONNX models as PyTorch modules, written with the layers that a PyTorch user would have used.

from hwprof.convert.torch import to_module
module = to_module(path, subject)
exported = torch.export.export(module, inputs)
"""

from hwprof.convert.torch.builder import SOURCE_NODES
from hwprof.convert.torch.module import source_nodes, to_module

__all__ = ["SOURCE_NODES", "source_nodes", "to_module"]
