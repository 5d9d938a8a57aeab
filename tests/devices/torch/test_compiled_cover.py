"""Which node a kernel call of compiled code stands for, where inductor names several."""

from __future__ import annotations

import ast
from pathlib import Path

from onnx import helper

from hwprof.convert.torch.module import source_nodes, to_module
from hwprof.devices.torch.compiled_code import Site
from hwprof.devices.torch.compiled_cover import claims_of
from hwprof.devices.torch.inductor import Written
from hwprof.models.load import load_model
from tests.devices.torch.graphs import convolutional, model_file


def site(target: str, handle: str) -> Site:
    call = ast.parse("f()").body[0]
    assert isinstance(call, ast.Expr)
    assert isinstance(call.value, ast.Call)
    return Site(target, handle, call.value)


def test_each_node_goes_to_one_call(tmp_path: Path) -> None:
    path = convolutional(tmp_path / "m.onnx")
    module = to_module(path, load_model(path).subject)
    # Names of calls are those of nodes, but for what Python itself calls so.
    total = next(n.name for n in module.graph.nodes if source_nodes(n) == ("sum",))
    conv = "torch.ops.mkldnn._convolution_pointwise"
    written = Written(
        nodes={"a:1": ("stem_conv",), "b:2": (total,), "c:3": (total,), "d:4": (total, "pool")},
        main={"b:2": (total,), "c:3": (total,)},
    )
    sites = [site("cpp_fused_0", "a:1"), site(conv, "b:2"), site(conv, "c:3")]
    sites.append(site("cpp_fused_1", "d:4"))
    # The kernel that adds in place also names what it adds to: the sum is the last one's, which
    # fuses the convolution before it; the first call is left without a name.
    assert claims_of(module, written, sites) == [("stem/conv",), (), ("dw", "sum"), ("pool",)]


def test_a_product_named_itself_takes_nothing_more(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["r"], name="before"),
        helper.make_node("MatMul", ["r", "x"], ["y"], name="product"),
    ]
    path = model_file(tmp_path / "m.onnx", nodes, {"x": (2, 2)}, ["y"])
    module = to_module(path, load_model(path).subject)
    written = Written(nodes={"mm:1": ("product",)}, main={"mm:1": ("product",)})
    assert claims_of(module, written, [site("extern_kernels.mm", "mm:1")]) == [("product",)]
