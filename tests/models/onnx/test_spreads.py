"""How far elements spread, against what they are when a model is run."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from hwprof import spaces
from hwprof.models.onnx.spreads import Spread, spreads

FBNET = " ".join(["k3_e1", "k5_e6", "skip", "k3_e1_g2"] * 5 + ["k5_e3", "skip"])
BERT = "hidden=128 layers=3 heads=4,1,2 ffn=256,512,128"
MOBILE = (
    "r=128 d1=2 k1=3,5 e1=4,3 d2=2 k2=3,5 e2=4,3 d3=2 k3=3,5 e3=4,3 "
    "d4=2 k4=3,5 e4=4,3 d5=2 k5=3,5 e5=4,3"
)


def run(model, names):
    """The values of tensors, floats drawn from a normal, whole numbers 1."""
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    rng = np.random.default_rng(0)
    feed = {
        given.name: rng.standard_normal(given.shape).astype(np.float32)
        if given.type == "tensor(float)"
        else np.ones(given.shape, dtype=np.int64)
        for given in session.get_inputs()
    }
    return dict(zip(names, session.run(names, feed), strict=True))


@pytest.mark.parametrize(
    ("name", "text"), [("bert", BERT), ("fbnet", FBNET), ("mobilenetv3", MOBILE)]
)
def test_they_are_those_of_a_run_to_a_factor(name, text):
    model = spaces.get(name).build(text)
    found = spreads(model)
    names = [node.output[0] for node in model.graph.node if node.op_type != "Cast"]
    assert set(names) <= set(found)
    close = []
    for tensor, values in run(model, names[:-1]).items():
        if values.dtype != np.float32:
            continue
        spread = found[tensor]
        assert spread.low - 1e-4 <= values.min() <= values.max() <= spread.high + 1e-4
        if spread.square > 0 and values.any():
            close.append(np.sqrt(spread.square / np.square(values.astype(np.float64)).mean()))
    # Errors grow with the depth where nothing is normalised.
    assert np.median(close) < 3.5
    assert np.quantile(close, 0.95) < 12
    assert min(close) > 0.3


def model_of(node, shape, **initialisers):
    tensors = [numpy_helper.from_array(v.astype(np.float32), n) for n, v in initialisers.items()]
    ends = [helper.make_tensor_value_info(n, 1, s) for n, s in (("x", shape), ("y", None))]
    graph = helper.make_graph([node], "one", ends[:1], ends[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def test_a_relu_halves_a_normal():
    spread = spreads(model_of(helper.make_node("Relu", ["x"], ["y"]), [4]))["y"]
    assert spread.mean == pytest.approx((2 * np.pi) ** -0.5, rel=1e-3)
    assert spread.square == pytest.approx(0.5, rel=1e-3)
    assert spread.range(6)[0] == 0


def test_a_product_adds_up_as_many_products_as_it_is_deep():
    weight = np.random.default_rng(0).standard_normal((64, 8))
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    spread = spreads(model_of(node, [5, 64], w=weight))["y"]
    assert spread.variance == pytest.approx(64 * np.square(weight).mean(), rel=1e-6)


def test_shares_are_one_together():
    spread = spreads(model_of(helper.make_node("Softmax", ["x"], ["y"], axis=-1), [3, 16]))["y"]
    assert spread.mean == 1 / 16
    assert (spread.low, spread.high) == (0, 1)


def test_what_an_unknown_operator_writes_is_left_out():
    assert "y" not in spreads(model_of(helper.make_node("Det", ["x"], ["y"]), [3, 3]))


def test_a_range_stays_within_the_bounds():
    assert Spread(0.0, 1.0, -0.375).range(6) == (-0.375, 6)
