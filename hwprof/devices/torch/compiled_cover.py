"""Which nodes of a module each kernel call of its compiled code stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import fx

from hwprof.convert.torch.module import source_nodes
from hwprof.devices.torch.compiled_code import Site
from hwprof.devices.torch.eager_profile import is_call
from hwprof.devices.torch.inductor import Written
from hwprof.devices.torch.kernels import tensors_in

# Convolutions and matrix products, as operators and libraries call them.
_PRODUCT = re.compile(r"conv(olution|\d|_)|linear|mm\b|matmul")


def claims_of(
    module: fx.GraphModule, written: Written, sites: Sequence[Site]
) -> list[tuple[str, ...]]:
    """Source nodes of each kernel call; each goes to one call only.

    A library's kernel comes first: a convolution belongs to the kernel that convolves, not to
    inductor's own that lays out its weights. What several of inductor's kernels compute in turn
    goes to the first of them. Where inductor fuses a product with what follows, it only names the
    last node: the nodes back to the product, named nowhere, belong to the same call.
    """
    calls = {node.name: node for node in module.graph.nodes if is_call(node)}
    owner: dict[str, int] = {}
    library = [i for i, site in enumerate(sites) if not site.target.startswith("cpp_")]
    for position in library:
        handle = sites[position].handle
        lines = written.nodes.get(handle, ())
        for name in written.main.get(handle, ()):
            if name in lines and name in calls:
                # The last one: a sum in place also puts its name on what it adds to.
                owner[name] = position
    for position, site in enumerate(sites):
        for name in written.nodes.get(site.handle, ()):
            if name in calls:
                owner.setdefault(name, position)
    for position in library:
        if _PRODUCT.search(sites[position].target):
            mine = [calls[name] for name, place in owner.items() if place == position]
            for node in _back_to_product(mine, owner):
                owner[node.name] = position
    claims: list[list[str]] = [[] for _ in sites]
    taken: set[str] = set()
    for name in calls:
        for source in source_nodes(calls[name]):
            if name in owner and source not in taken:
                taken.add(source)
                claims[owner[name]].append(source)
    return [tuple(claim) for claim in claims]


def _back_to_product(nodes: Sequence[fx.Node], owner: Mapping[str, int]) -> list[fx.Node]:
    """Nodes that nobody owns between `nodes` and the product that feeds them, with it.

    None where one of `nodes` is a product itself, or where there is none.
    """
    if any(_is_product(node) for node in nodes):
        return []
    paths = [[node] for node in nodes]
    while paths:
        path = paths.pop(0)
        for before in path[-1].all_input_nodes:
            if not is_call(before) or before.name in owner:
                continue
            if _is_product(before):
                return [*path[1:], before]
            paths.append([*path, before])
    return []


def _is_product(node: fx.Node) -> bool:
    return _PRODUCT.search(str(getattr(node.target, "__name__", node.target))) is not None


class _Worker(fx.Interpreter):
    """Runs the module and keeps the calls that give more than another look at their inputs."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.working: list[fx.Node] = []

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if is_call(n):
            args, kwargs = self.fetch_args_kwargs_from_env(n)
            known = {_memory(t) for t in tensors_in((args, kwargs))}
            if any(_memory(t) not in known for t in tensors_in(result)):
                self.working.append(n)
        return result


def _memory(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage().data_ptr())


def nodes_with_work(module: fx.GraphModule, inputs: tuple[torch.Tensor, ...]) -> list[str]:
    """Source nodes that compute something; views and reshapes do not."""
    worker = _Worker(module)
    with torch.inference_mode():
        worker.run(*inputs)
    return [source for node in worker.working for source in source_nodes(node)]
