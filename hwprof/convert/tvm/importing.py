"""From an ONNX file to a Relax module, remembering which node became which binding."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from onnx import GraphProto, ModelProto

from hwprof.convert.tvm.folding import fold_shapes
from hwprof.errors import ModelError, one_line
from hwprof.models.base import Model
from hwprof.models.onnx.file import read_with_weights
from hwprof.models.onnx.graph import OWN_DOMAINS, node_names

# TVM's importer looks at an operator's name only, and knows some of ONNX Runtime's own.
_DOMAINS = (*OWN_DOMAINS, "com.microsoft")
_UNSUPPORTED = re.compile(r"not supported for frontend ONNX: (.+)")


@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """A Relax module, whose parameters are fed `inputs` in that order.

    `owners` gives the node whose result a variable of `main` holds, for nodes outside of branches.
    """

    module: Any
    inputs: tuple[str, ...]
    owners: dict[Any, str]
    branches: bool
    """Whether the model has branches (If), which TVM compiles outside of its dataflow blocks."""


def import_onnx(tvm: ModuleType, model: Model) -> Imported:
    """Import a model at the shapes decided for it, with its weights as constants.

    The module is the one that `tvm.relax.frontend.onnx.from_onnx` makes. Raises ModelError, naming
    the operator that TVM does not support.
    """
    from tvm.relax.frontend.onnx.onnx_frontend import ONNXGraphImporter

    class Importer(ONNXGraphImporter):  # type: ignore[misc]
        """Records what every node of the main graph is converted to."""

        def __init__(self) -> None:
            shapes = {t.name: list(t.shape) for t in model.subject.inputs}
            super().__init__(shapes, "float32", keep_params_in_input=False)
            self.results: list[Any] = []
            self._depth = 0

        @classmethod
        def imported(cls, proto: ModelProto) -> tuple[Importer, Any]:
            """An importer, and the module that it makes of a model."""
            opset = next((o.version for o in proto.opset_import if o.domain in OWN_DOMAINS), 1)
            importer = cls()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # renamed inputs
                return importer, importer.from_onnx(proto.graph, opset)

        def _convert_operator(self, op_name: str, inputs: Any, attrs: Any, opset: int) -> Any:
            try:
                result = super()._convert_operator(op_name, inputs, attrs, opset)
            except Exception as error:  # converters raise what Python raises
                raise ValueError(f"operator '{op_name}': {one_line(error)}") from error
            if self._depth == 0:
                self.results.append(result)
            return result

        def _convert_subgraph(self, bb: Any, graph: Any) -> Any:
            self._depth += 1
            try:
                return super()._convert_subgraph(bb, graph)
            finally:
                self._depth -= 1

        @property
        def input_names(self) -> tuple[str, ...]:
            return tuple(self._input_names)

    proto = _read(tvm, model)
    try:
        try:
            importer, module = Importer.imported(proto)
        except tvm.error.OpNotImplemented:
            raise
        except Exception:  # converters raise what Python raises
            # Some need shapes as numbers where the file computes them.
            proto = fold_shapes(proto, model.subject.inputs)
            importer, module = Importer.imported(proto)
    except Exception as error:  # as above
        raise ModelError(
            f"tvm {tvm.__version__} cannot import '{model.path.name}': {_reason(error)}; "
            "export it for operators and types that this version supports, or choose another device"
        ) from error
    return Imported(
        module,
        importer.input_names,
        _owners(tvm, module, proto.graph, importer.results),
        any(node.op_type == "If" for node in proto.graph.node),
    )


def _read(tvm: ModuleType, model: Model) -> ModelProto:
    proto = read_with_weights(model.path)
    # Nodes keep the names they have in the file, whatever is folded away around them.
    for node, name in zip(proto.graph.node, node_names(proto.graph), strict=True):
        node.name = name
        if node.domain not in _DOMAINS:
            raise ModelError(
                f"tvm {tvm.__version__} has no operator '{node.op_type}' of domain "
                f"'{node.domain}'; export '{model.path.name}' with standard operators"
            )
    return proto


def _reason(error: Exception) -> str:
    unsupported = _UNSUPPORTED.search(str(error))
    if unsupported is not None:
        names = sorted(name.strip() for name in unsupported[1].split(","))
        listed = ", ".join(f"'{name}'" for name in names)
        return f"it has no operator{'s' if len(names) > 1 else ''} {listed}"
    return one_line(error)


def _owners(tvm: ModuleType, module: Any, graph: GraphProto, results: list[Any]) -> dict[Any, str]:
    """Names of nodes by the variables that hold their results.

    A converter gives the expression it made; the builder binds this very object to a variable
    later, when another expression needs it.
    """
    # Branches are converted elsewhere.
    names = [node.name for node in graph.node if node.op_type != "If"]
    made: dict[Any, str] = {}
    for name, result in zip(names, results, strict=True):
        several = isinstance(result, tvm.relax.Tuple)
        for value in result.fields if several else (result,):
            if not isinstance(value, tvm.ir.GenericConst):
                made.setdefault(value, name)
    owners: dict[Any, str] = {}
    for block in module["main"].body.blocks:
        for binding in block.bindings:
            name = made.get(binding.value) or made.get(binding.var)
            if name is not None:
                owners[binding.var] = name
    return owners
