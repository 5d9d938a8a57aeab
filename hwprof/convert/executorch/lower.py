"""From a model file to an ExecuTorch program, and what is worth knowing about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from hwprof.convert.executorch.fx_graph import (
    base_name,
    is_idle,
    native_kernel,
    root_names,
    source_table,
    spec_of,
    view_kernel,
    with_absorbed,
    working_nodes,
)
from hwprof.convert.executorch.plan import DelegateCall, DelegatedNode, NativeCall, Plan
from hwprof.convert.executorch.quiet import quiet
from hwprof.convert.executorch.xnnpack_graph import read_operators
from hwprof.errors import DeviceError, HwprofError, ModelError, one_line
from hwprof.models.base import Model
from hwprof.models.inputs import tensors_of

_DELEGATE = "executorch_call_delegate"
_VIEW = "view"  # executorch.exir.memory.view, which is no operator of torch
# Graph nodes that become no instruction.
_SILENT = frozenset({"getitem", "alloc"})
_ADVICE = "measure the model on another device, such as onnxruntime-cpu"


def example_inputs(model: Model) -> tuple[Any, ...]:
    """The inputs that every runtime is fed, as tensors."""
    import torch

    return tuple(torch.from_numpy(value) for value in tensors_of(model).values())


def lower(
    runtime: ModuleType,
    model: Model,
    inputs: tuple[Any, ...],
    backend: str,
    precision: str,
    file: Path,
) -> Plan:
    """Export, quantise and lower a model to a .pte file; gives what that will execute.

    Raises ModelError, DeviceError, or OSError when the file cannot be written.
    """
    from hwprof.convert.torch.builder import SOURCE_NODES

    name = model.path.name
    with quiet():
        exported = _exported(model, inputs)
        _refuse_other_floats(exported, name)
        sources = source_table(exported.graph, SOURCE_NODES)
        if precision == "int8":
            from hwprof.convert.executorch.quantise import quantise

            quantised = _or_refuse(lambda: quantise(exported, inputs), name, "quantise")
            kept = source_table(quantised.graph, SOURCE_NODES)
            sources = with_absorbed(exported.graph, sources, kept)
            exported = quantised
        for node in exported.graph.nodes:
            node.meta.pop("from_node", None)  # origins count from here
        manager = _or_refuse(lambda: _lowered(exported, backend), name, "lower")
    plan = _plan(exported, manager, sources, file.parent)
    _refuse_missing_kernels(runtime, plan, name)
    if backend == "xnnpack" and not plan.delegates:
        raise ModelError(
            f"XNNPACK takes no operator of '{name}'; use backend=portable, or another device"
        )
    with file.open("wb") as stream:
        manager.write_to_file(stream)
    return plan


def _exported(model: Model, inputs: tuple[Any, ...]) -> Any:
    """The model as an ExportedProgram whose nodes name their source nodes in `meta["custom"]`."""
    import torch

    from hwprof.convert.torch.exported import read_exported
    from hwprof.convert.torch.module import to_module

    read = to_module if model.format == "onnx" else read_exported
    module = read(model.path, model.subject)
    return _or_refuse(lambda: torch.export.export(module, inputs), model.path.name, "export")


def _lowered(exported: Any, backend: str) -> Any:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import ExecutorchBackendConfig, to_edge_transform_and_lower
    from executorch.exir.passes import MemoryPlanningPass

    partitioner = [XnnpackPartitioner()] if backend == "xnnpack" else []
    edge = to_edge_transform_and_lower(exported, partitioner=partitioner)
    # The caller owns the inputs. Otherwise each run would have to copy them in, because the
    # planner gives their memory to later tensors once they have been read.
    planning = MemoryPlanningPass(alloc_graph_input=False)
    return edge.to_executorch(ExecutorchBackendConfig(memory_planning_pass=planning))


def _plan(exported: Any, manager: Any, sources: Mapping[str, tuple[str, ...]], place: Path) -> Plan:
    import torch

    program = manager.exported_program()
    signature = program.graph_signature
    weights = frozenset(
        {*signature.inputs_to_parameters, *signature.inputs_to_buffers}
        | {*signature.inputs_to_lifted_tensor_constants}
    )
    instructions: dict[int, DelegateCall | NativeCall] = {}
    following = 0
    for node in program.graph.nodes:
        if node.op != "call_function" or base_name(node) in _SILENT:
            continue
        number = node.meta.get("debug_handle")
        if base_name(node) == _VIEW:
            # The emitter numbers views without saying so. Where it leaves one out, the next
            # instruction has this number and takes its place.
            number, kernel = following, view_kernel(node, weights)
            instructions[number] = NativeCall(
                str(node.name), kernel, _sources_of(node, sources), idle=True
            )
        elif not isinstance(number, int):
            continue
        elif base_name(node) == _DELEGATE:
            part = getattr(program.graph_module, str(node.args[0].target))
            instructions[number] = _delegate(node, part, sources, place)
        elif isinstance(node.target, torch._ops.OpOverload):
            kernel = native_kernel(node, weights)
            instructions[number] = NativeCall(
                str(node.name), kernel, _sources_of(node, sources), is_idle(node)
            )
        else:
            continue
        following = number + 1
    working = dict.fromkeys(
        name for node in working_nodes(exported) for name in sources.get(node.name, ())
    )
    stored = [*exported.state_dict.values(), *exported.constants.values()]
    nbytes = sum(each.nbytes for each in stored if isinstance(each, torch.Tensor))
    return Plan(instructions, tuple(working), nbytes)


def _delegate(
    call: Any, part: Any, sources: Mapping[str, tuple[str, ...]], place: Path
) -> DelegateCall:
    import torch

    graph = part.original_module.graph
    nodes = []
    for node in graph.nodes:
        if node.op != "call_function":
            continue
        handle = node.meta.get("debug_handle")
        nodes.append(
            DelegatedNode(
                str(node.name),
                handle if isinstance(handle, int) else None,
                _sources_of(node, sources),
                tuple(str(each.name) for each in node.all_input_nodes),
                is_idle(node),
            )
        )
    reads = [each for each in call.args[1:] if isinstance(each, torch.fx.Node)]
    made = call.meta.get("val")
    outputs = made if isinstance(made, (list, tuple)) else [made]
    return DelegateCall(
        str(call.name),
        read_operators(bytes(part.processed_bytes), place),
        tuple(nodes),
        tuple(spec_of(each.meta.get("val"), str(each.name)) for each in reads),
        tuple(spec_of(each, f"{call.name}:{i}") for i, each in enumerate(outputs)),
    )


def _sources_of(node: Any, sources: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    found = (name for root in root_names(node) for name in sources.get(root, ()))
    return tuple(dict.fromkeys(found))


def _refuse_other_floats(exported: Any, name: str) -> None:
    import torch

    for value in exported.state_dict.values():
        if isinstance(value, torch.Tensor) and value.dtype in (torch.float16, torch.bfloat16):
            kind = str(value.dtype).removeprefix("torch.")
            raise ModelError(
                f"'{name}' has {kind} weights, which precision=fp32 would not be true of; "
                "export it in float32"
            )


def _refuse_missing_kernels(runtime: ModuleType, plan: Plan, name: str) -> None:
    """Name the operators that neither XNNPACK takes nor the wheel has a kernel for."""
    known = frozenset(runtime._get_operator_names())
    needed = {c.kernel.op for c in plan.instructions.values() if isinstance(c, NativeCall)}
    missing = sorted(needed - known)
    if missing:
        raise ModelError(
            f"executorch has no kernel for {', '.join(missing)}, which '{name}' needs; {_ADVICE}"
        )


def _or_refuse(step: Callable[[], Any], name: str, doing: str) -> Any:
    """Run a step of the compiler; its many kinds of error become one of ours."""
    try:
        return step()
    except HwprofError:
        raise
    except MemoryError as error:
        raise DeviceError(
            f"memory ran out while executorch tried to {doing} '{name}'; "
            "use a smaller --batch or --shape, or a machine with more memory"
        ) from error
    except Exception as error:  # no common base: verifiers, passes and torch itself
        text = str(error)
        operators = sorted({*re.findall(r"\b(?:torch\.ops\.)?aten[.:]{1,2}[\w.]+", text)})
        about = f"its operators {', '.join(operators[:3])}" if operators else one_line(error, 200)
        raise ModelError(
            f"executorch cannot {doing} '{name}' because of {about}; {_ADVICE}"
        ) from error
