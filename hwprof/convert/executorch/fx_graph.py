"""Reading torch.fx graphs: where a node comes from, whether it works, what kernel it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hwprof.graph import Kernel, TensorSpec

NATIVE_DOMAIN = "org.pytorch.executorch"

# They only give a tensor another shape, or hand it on; the counterpart of `IDLE` in
# hwprof.models.onnx.graph.
_IDLE = frozenset(
    {"view", "view_copy", "_unsafe_view", "reshape", "flatten", "unflatten", "contiguous"}
    | {"squeeze", "squeeze_copy", "unsqueeze", "unsqueeze_copy", "dropout", "native_dropout"}
    | {"clone", "_clone_dim_order", "alias", "alias_copy", "detach", "detach_", "lift_fresh_copy"}
    | {"getitem", "_assert_tensor_metadata", "_assert_scalar", "sym_size", "et_view", "view_as"}
)


def base_name(node: Any) -> str:
    """The operator a node calls, without namespace and overload: `view_copy`."""
    target = node.target
    schema = getattr(target, "_schema", None)
    name = str(schema.name) if schema is not None else str(getattr(target, "__name__", target))
    return name.rpartition("::")[2].split(".")[0]


def is_idle(node: Any) -> bool:
    """Whether a node only hands its input on, in another shape perhaps."""
    return base_name(node) in _IDLE


def working_nodes(exported: Any) -> tuple[Any, ...]:
    """Calls of an exported program that must run: not idle, and decided by its inputs."""
    inputs = set(exported.graph_signature.user_inputs)
    varying = set()
    for node in exported.graph.nodes:
        is_input = node.op == "placeholder" and str(node.name) in inputs
        if is_input or any(each in varying for each in node.all_input_nodes):
            varying.add(node)
    calls = (node for node in exported.graph.nodes if node.op == "call_function")
    return tuple(node for node in calls if node in varying and not is_idle(node))


def root_names(node: Any) -> tuple[str, ...]:
    """Names of the nodes of the first graph that a lowered node was made from.

    torch.fx keeps a chain of origins in `meta["from_node"]`; a pass that merges nodes leaves
    several chains.
    """
    return tuple(dict.fromkeys(_leaves(node.meta.get("from_node") or ())))


def _leaves(sources: Iterable[Any]) -> Iterator[str]:
    for source in sources:
        if source.from_node:
            yield from _leaves(source.from_node)
        else:
            yield str(source.name)


def spec_of(value: Any, name: str, constant: bool = False) -> TensorSpec | None:
    """A tensor's type and shape, or None for what is no tensor or has open dimensions."""
    import torch

    if not isinstance(value, torch.Tensor):
        return None
    try:
        shape = tuple(int(size) for size in value.shape)
    except Exception:  # symbolic sizes refuse with types of their own
        return None
    return TensorSpec(name, str(value.dtype).removeprefix("torch."), shape, constant)


def native_kernel(node: Any, weights: frozenset[str]) -> Kernel:
    """The kernel that a call of an operator's out-variant runs.

    Tensors are its inputs, every other argument an attribute by its name in the schema. `weights`
    names the placeholders that are constant.
    """
    schema = node.target._schema
    arguments: dict[str, object] = {}
    for parameter, value in zip(schema.arguments, node.args, strict=False):
        arguments[parameter.name] = value
    outs = {parameter.name for parameter in schema.arguments if parameter.is_out}
    arguments.update(node.kwargs)
    inputs: list[TensorSpec | None] = []
    attributes: dict[str, str] = {}
    for name, value in arguments.items():
        if name in outs:
            continue
        found = list(_tensors(value, weights))
        inputs += found
        if not found:
            attributes[name] = _text(value)
    value = node.meta.get("val")
    made = value if isinstance(value, (list, tuple)) else [value]
    outputs = tuple(spec_of(each, f"{node.name}:{i}") for i, each in enumerate(made))
    overload = str(schema.overload_name)
    op = f"{schema.name}.{overload}" if overload else str(schema.name)
    return Kernel(NATIVE_DOMAIN, op, dict(sorted(attributes.items())), tuple(inputs), outputs)


def view_kernel(node: Any, weights: frozenset[str]) -> Kernel:
    """The kernel of a change of shape that copies nothing: the runtime adjusts a header."""
    inputs = tuple(_tensors(node.args[0], weights))
    output = spec_of(node.meta.get("val"), str(node.name))
    return Kernel(NATIVE_DOMAIN, "executorch_prim::et_view.default", {}, inputs, (output,))


def _tensors(value: object, weights: frozenset[str]) -> Iterator[TensorSpec | None]:
    import torch.fx

    if isinstance(value, torch.fx.Node):
        yield spec_of(value.meta.get("val"), str(value.name), str(value.name) in weights)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _tensors(each, weights)


def _text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(_text(each) for each in value)
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def source_table(graph: Any, key: str) -> Mapping[str, tuple[str, ...]]:
    """By node of an exported graph, the source nodes kept under `meta["custom"][key]`."""
    table = {}
    for node in graph.nodes:
        custom = node.meta.get("custom") or {}
        if node.op == "call_function" and key in custom:
            table[str(node.name)] = tuple(str(name) for name in custom[key])
    return table


def with_absorbed(
    before: Any, sources: Mapping[str, tuple[str, ...]], kept: Mapping[str, tuple[str, ...]]
) -> Mapping[str, tuple[str, ...]]:
    """`kept`, with the source nodes that a rewriting of the graph `before` left no node for.

    They go to the nearest node upstream that is left: a quantiser folds a batch normalisation
    into the weights of the convolution before it. `sources` is the table of `before`.
    """
    left = {name for names in kept.values() for name in names}
    into: dict[str, str] = {}  # node of `before` -> source node that stands for it
    gone: dict[str, list[str]] = {}
    for node in before.nodes:
        own = sources.get(str(node.name), ())
        near = next((into[str(n.name)] for n in node.all_input_nodes if str(n.name) in into), None)
        home = next((name for name in own if name in left), near)
        if home is not None:
            into[str(node.name)] = home
            gone.setdefault(home, []).extend(name for name in own if name not in left)
    return {
        node: tuple(dict.fromkeys([*names, *(g for name in names for g in gone.get(name, ()))]))
        for node, names in kept.items()
    }
