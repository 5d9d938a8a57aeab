"""Some nodes in int8: what is written around them, and that they compute what they did."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from hwprof.errors import ModelError
from hwprof.models.onnx.quantise import quantise


def floats(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32) / np.float32(np.sqrt(np.prod(shape[1:])))


def model():
    """Convolution, normalisation and Relu, another convolution, and a product with a bias."""
    rng = np.random.default_rng(0)
    initialisers = {
        "w1": floats(rng, 8, 3, 3, 3),
        "scale": 1 + floats(rng, 8, 1).ravel() / 10,
        "shift": floats(rng, 8, 1).ravel(),
        "mean": floats(rng, 8, 1).ravel() / 10,
        "variance": np.abs(floats(rng, 8, 1).ravel()) + np.float32(0.5),
        "w2": floats(rng, 8, 8, 1, 1),
        "w3": floats(rng, 5, 8),
        "b3": floats(rng, 5, 1).ravel(),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], "one.Conv", kernel_shape=[3, 3]),
        helper.make_node(
            "BatchNormalization", ["a", "scale", "shift", "mean", "variance"], ["b"], "one.Norm"
        ),
        helper.make_node("Relu", ["b"], ["c"], "one.Relu"),
        helper.make_node("Conv", ["c", "w2"], ["d"], "two.Conv", kernel_shape=[1, 1]),
        helper.make_node("GlobalAveragePool", ["d"], ["e"], "pool"),
        helper.make_node("Flatten", ["e"], ["f"], "flat"),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], "three.Gemm", transB=1),
    ]
    ends = [
        helper.make_tensor_value_info("x", 1, [2, 3, 9, 9]),
        helper.make_tensor_value_info("y", 1, [2, 5]),
    ]
    tensors = [numpy_helper.from_array(v, n) for n, v in initialisers.items()]
    graph = helper.make_graph(nodes, "some", ends[:1], ends[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def outputs(proto):
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    x = np.random.default_rng(1).standard_normal((2, 3, 9, 9)).astype(np.float32)
    return session.run(None, {"x": x})[0]


@pytest.mark.parametrize(
    "names", [{"one.Conv"}, {"two.Conv"}, {"three.Gemm"}, {"one.Conv", "two.Conv", "three.Gemm"}]
)
def test_the_outputs_are_nearly_the_same(names):
    quantised = model()
    quantise(quantised, names)
    onnx.checker.check_model(quantised, full_check=True)
    plain, found = outputs(model()), outputs(quantised)
    assert 0 < np.abs(found - plain).max() < 0.1 * np.abs(plain).max()


def test_normalisations_are_folded_and_weights_have_a_scale_per_channel():
    quantised = model()
    quantise(quantised, {"one.Conv", "three.Gemm"})
    assert not [n for n in quantised.graph.node if n.op_type == "BatchNormalization"]
    tensors = {t.name: numpy_helper.to_array(t) for t in quantised.graph.initializer}
    assert not {"w1", "scale", "shift", "mean", "variance"} & set(tensors)
    assert tensors["w1.int8"].dtype == np.int8
    assert np.abs(tensors["w1.int8"]).reshape(8, -1).max(axis=1).tolist() == [127] * 8
    assert tensors["w1.scale"].shape == (8,)
    assert tensors["w3.int8"].shape == (5, 8)
    assert tensors["w3.scale"].shape == tensors["b3.int32"].shape == (5,)
    # The tensor behind the Relu is never negative: all of uint8 is its own.
    assert tensors["c.zero_uint8"] == 0
    known = {n.name for n in quantised.graph.node}
    assert {"one.Conv", "two.Conv", "three.Gemm"} <= known


def test_a_tensor_is_quantised_once():
    quantised = model()
    quantise(quantised, {"one.Conv", "two.Conv"})
    pairs = [n for n in quantised.graph.node if n.op_type == "QuantizeLinear"]
    # x, what is behind the Relu, and what the second convolution wrote.
    assert len(pairs) == 3
    second = next(n for n in quantised.graph.node if n.name == "two.Conv")
    assert second.input[0] == "c"


def test_nothing_else_is_touched():
    untouched = model()
    quantise(untouched, {"pool", "no such node"})
    assert untouched == model()


def test_a_range_that_is_not_known_is_told():
    unknown = model()
    unknown.graph.node[4].op_type = "GlobalMaxPool"
    with pytest.raises(ModelError, match=r"range of 'f' cannot be told.*leave the layer"):
        quantise(unknown, {"three.Gemm"})
    quantise(unknown, {"one.Conv"})
