"""What is wrong with a model that does not keep to ONNX's rules."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from hwprof.models.onnx.valid import fault_of, invalid
from tests.small_models import mlp_proto


def saved(proto: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def test_a_valid_model_has_no_fault(mlp: Path, light: Path) -> None:
    assert fault_of(mlp) == ""
    assert fault_of(light / "light_squeezenet.onnx") == ""


def test_faults_are_one_line(tmp_path: Path) -> None:
    unordered = mlp_proto()
    nodes = list(unordered.graph.node)
    del unordered.graph.node[:]
    unordered.graph.node.extend(reversed(nodes))
    misfit = mlp_proto()
    misfit.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 7
    missing = mlp_proto()
    missing.graph.node[0].input[1] = "gone"
    for proto in (unordered, misfit, missing):
        fault = fault_of(saved(proto, tmp_path))
        assert fault
        assert "\n" not in fault
        assert len(fault) <= 200
    assert "gone" in fault
    sentence = invalid("m.onnx", fault)
    assert sentence.startswith("'m.onnx' does not keep to ONNX's rules: ")
    assert sentence.endswith("; export it again")


def test_what_cannot_be_checked_has_no_known_fault(tmp_path: Path) -> None:
    assert fault_of(tmp_path / "gone.onnx") == ""


@pytest.mark.parametrize("domain", ["acme", "com.microsoft"])
def test_operators_of_others_are_no_fault(domain: str, tmp_path: Path) -> None:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy"]
    graph = helper.make_graph(
        [helper.make_node("Twice", ["x"], ["y"], domain=domain)], "g", ends[:1], ends[1:]
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(domain, 1)]
    assert fault_of(saved(helper.make_model(graph, opset_imports=opsets), tmp_path)) == ""
