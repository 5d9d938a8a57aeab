"""Compiling a model with one of TVM's own pipelines, and watching what it does with the nodes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from hwprof.convert.tvm.importing import Imported, import_onnx
from hwprof.devices.tvm.tracing import (
    KernelCall,
    bindings,
    kernel_calls,
    resolve_aliases,
    trace_nodes,
)
from hwprof.devices.tvm.tuning import checked_copy, open_database
from hwprof.errors import HwprofError, ModelError, one_line
from hwprof.models.base import Model

# After which passes the module is kept: the first takes operators apart, between the next two all
# operators are kernels not yet grouped, the last is `default`'s, which does not group them.
_APART, _UNGROUPED, _GROUPED, _LEGAL = (
    "DecomposeOps",
    "FoldConstant",
    "FuseOps",
    "LegalizeOps",
)


@dataclass(frozen=True, slots=True, eq=False)
class Lowered:
    """A module whose operators are kernels, not yet compiled, and what it looked like before."""

    module: Any
    imported: Imported
    seen: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """An executable, and what is known of the kernels that its `main` calls, in order.

    `hashes` tell apart kernels that do different work, by name; they are equal in all processes.
    `traced` is false where the calls could not be led back to nodes of the file.
    """

    executable: Any
    inputs: tuple[str, ...]
    calls: tuple[KernelCall, ...]
    hashes: Mapping[str, str]
    weights_bytes: int
    traced: bool


@dataclass(frozen=True, slots=True, eq=False)
class Compiler:
    """Compiles models for one target. `database` is a folder of schedules to apply, if any."""

    tvm: ModuleType
    target: Any
    pipeline: str
    database: Path | None
    made_for: tuple[str, int] = ("", 1)
    """Processor and threads that its schedules must be for."""

    def lowered(self, model: Model) -> Lowered:
        """Import a model and run the pipeline. Raises ModelError."""
        imported = import_onnx(self.tvm, model)
        seen: dict[str, Any] = {}
        with self._watching(seen, model):
            module = self._passes()(imported.module)
        return Lowered(module, imported, seen)

    def compile(self, model: Model) -> Compiled:
        """Raises ModelError with the reason that the model does not compile."""
        lowered = self.lowered(model)
        module, seen = lowered.module, dict(lowered.seen)
        with self._watching(seen, model):
            if self.database is not None:
                copy = checked_copy(self.database, *self.made_for)
                with copy as folder, open_database(folder):
                    module = self.tvm.relax.transform.MetaScheduleApplyDatabase()(module)
            executable = self.tvm.compile(module, self.target)
        if self.pipeline == "default":
            module = seen[_LEGAL]
        calls, traced = self._traced(module, lowered.imported, seen)
        return Compiled(
            executable=executable,
            inputs=lowered.imported.inputs,
            calls=tuple(calls),
            hashes=self._hashes(module),
            weights_bytes=self._weights_bytes(module),
            traced=traced,
        )

    def _passes(self) -> Any:
        relax, sequential = self.tvm.relax, self.tvm.transform.Sequential
        if self.pipeline == "default":
            return sequential([])
        passes = [relax.get_pipeline("zero")]
        if self.pipeline == "static_shape_tuning":
            # What that pipeline runs when it is asked for no trials.
            passes.insert(0, relax.transform.DecomposeOpsForInference())
            passes.insert(1, relax.transform.CanonicalizeBindings())
        return sequential(passes)

    def _watching(self, seen: dict[str, Any], model: Model) -> ExitStack:
        """A context in which passes leave the modules they made in `seen`, and errors are ours."""

        @self.tvm.instrument.pass_instrument
        class Watch:
            def run_after_pass(self, module: Any, info: Any) -> None:
                if info.name in (_APART, _UNGROUPED, _GROUPED, _LEGAL):
                    seen[str(info.name)] = module

        stack = ExitStack()
        stack.push(_Refusal(str(self.tvm.__version__), model.path.name))
        stack.enter_context(self.tvm.transform.PassContext(opt_level=3, instruments=[Watch()]))
        stack.enter_context(self.target)
        return stack

    def _traced(
        self, module: Any, imported: Imported, seen: Mapping[str, Any]
    ) -> tuple[list[KernelCall], bool]:
        tvm = self.tvm
        calls = kernel_calls(tvm, module)
        if imported.branches:  # kernels inside of them are called by other functions
            return calls, False
        owners = imported.owners
        if _APART in seen:
            owners = resolve_aliases(tvm, seen[_APART], owners)
        before = seen.get(_UNGROUPED, seen[_LEGAL])
        traced = trace_nodes(tvm, before, seen.get(_GROUPED, before), owners)
        if [name for name, _ in traced] != [call.name for call in calls]:
            return calls, False
        return [
            KernelCall(call.name, call.inputs, call.constants, nodes)
            for call, (_, nodes) in zip(calls, traced, strict=True)
        ], True

    def _hashes(self, module: Any) -> dict[str, str]:
        import tvm_ffi

        found = {}
        for variable, function in module.functions_items():
            if isinstance(function, self.tvm.tirx.PrimFunc):
                # Its own name is numbered by what else is in the model.
                value = tvm_ffi.structural_hash(function.without_attr("global_symbol"))
                found[str(variable.name_hint)] = f"{value & (1 << 64) - 1:016x}"
        return found

    def _weights_bytes(self, module: Any) -> int:
        """Bytes of all constants that kernels of `main` read, each once."""
        sizes: dict[int, int] = {}

        def visit(value: Any) -> None:
            if isinstance(value, self.tvm.ir.GenericConst):
                array = value.value
                count = 1
                for dimension in array.shape:
                    count *= int(dimension)
                sizes[array.__chandle__()] = (count * array.dtype.bits + 7) // 8

        for binding in bindings(module["main"]):
            self.tvm.relax.analysis.post_order_visit(binding.value, visit)
        return sum(sizes.values())


class _Refusal:
    """Turns whatever a pass raises into a sentence."""

    def __init__(self, version: str, model: str) -> None:
        self._version = version
        self._model = model

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, HwprofError):
            raise ModelError(
                f"tvm {self._version} cannot compile '{self._model}': {_cause(error)}; export it "
                "with other operators, or choose another device"
            ) from error


def _cause(error: Exception) -> str:
    """What was raised last, without the listing of a program that may come before."""
    text = re.split(r"(?:Error|InternalError|ValueError): ", str(error).strip())[-1]
    return one_line(type(error)(text)) if text else one_line(error)
