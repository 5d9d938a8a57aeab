"""Networks written down: shapes, counts and models of their parts."""

import numpy as np
import onnx
import pytest

from hwprof.errors import OptionError
from hwprof.opcosts import bytes_moved, flops
from hwprof.spaces.building import Network, check_image, divisible
from hwprof.spaces.recorder import total
from tests.spaces import networks


def everything(side):
    """A network with every part there is, on images of that side."""
    net = Network()
    x = net.conv_norm("stem", net.image(2, side), 8, 3, stride=2, activation="Relu")
    x = net.shuffle("mix", net.conv("wide", x, 16, 5, groups=2, bias=True), 2)
    y = net.activate("HardSigmoid", "gate", net.global_pool("gate", x))
    x = net.activate("HardSwish", "gate", net.multiply("gate", x, y))
    x = net.pool("MaxPool", "max", x, 3, 2, padding=1)
    x = net.pool("AveragePool", "ceil", x, 2, 2, ceil=True)
    x = net.add("twice", x, net.multiply("zero", x, net.number("zero", 0.0)))
    x = net.pool("AveragePool", "mean", x, 3, 1, padding=1)
    x = net.reshape("flat", x, 2, 8, 2, *x.shape[2:])
    return net, net.linear("classifier", x, 5)


@pytest.mark.parametrize("side", [13, 16, 17, 22])
def test_shapes_and_counts_are_those_of_onnx(side):
    net, result = everything(side)
    model = net.model("everything", result)
    onnx.checker.check_model(model, full_check=True)
    kernels = networks.kernels_of(model)
    assert kernels[-1].outputs[0].shape == result.shape == (2, 5)
    assert net.costs.flops == sum(flops(kernel) for kernel in kernels)
    assert net.costs.parameters == networks.learned(model)
    assert net.costs.activation_bytes == sum(bytes_moved(kernel).out for kernel in kernels)
    session = networks.session(model)
    (logits,) = session.run(None, {"image": np.ones((2, 3, side, side), dtype=np.float32)})
    assert logits.shape == (2, 5)
    assert np.isfinite(logits).all()


def test_padding_does_not_count_in_a_mean():
    net = Network()
    x = net.pool("AveragePool", "mean", net.image(1, 4), 3, 1, padding=1)
    session = networks.session(net.model("mean", x))
    (means,) = session.run(None, {"image": np.ones((1, 3, 4, 4), dtype=np.float32)})
    np.testing.assert_allclose(means, 1)


def test_a_shuffle_takes_channels_of_the_groups_in_turn():
    net = Network()
    x = net.conv("six", net.image(1, 2), 6)
    weights = np.zeros((6, 3, 1, 1), dtype=np.float32)
    weights[:, 0, 0, 0] = range(6)
    model = net.model("shuffle", net.shuffle("mix", x, 2))
    (held,) = [t for t in model.graph.initializer if t.name == "six.weight"]
    held.CopyFrom(onnx.numpy_helper.from_array(weights, "six.weight"))
    (out,) = networks.session(model).run(None, {"image": np.ones((1, 3, 2, 2), np.float32)})
    assert out[0, :, 0, 0].tolist() == [0, 3, 1, 4, 2, 5]


def test_weights_are_the_same_each_time():
    one, other = (net.model("m", out).SerializeToString() for net, out in map(everything, (16, 16)))
    assert one == other


def test_mistakes_of_the_writer_are_told():
    net = Network()
    x = net.conv("stem", net.image(1, 8), 4)
    with pytest.raises(ValueError, match=r"two weights stem\.weight"):
        net.conv("stem", x, 4)
    with pytest.raises(ValueError, match="does not count NonZero"):
        net.node("NonZero", "stem", [x], x.shape)


@pytest.mark.parametrize(
    ("batch", "side", "sentence"),
    [
        (0, 32, "batch must be a whole number from 1, but is 0"),
        (1.5, 32, "batch must"),
        (True, 32, "batch must"),
        (1, 8, "a multiple of 4 from 12, but is 8"),
        (1, 33, "but is 33"),
        (1, 32.0, "but is 32.0"),
    ],
)
def test_sizes_that_a_network_cannot_take(batch, side, sentence):
    with pytest.raises(OptionError, match=sentence):
        check_image("a space", batch, side, least=12, step=4)


def test_numpy_numbers_are_sizes():
    check_image("a space", np.int64(2), np.int32(12), least=12, step=4)


@pytest.mark.parametrize(
    ("value", "channels"), [(3, 8), (41.6, 40), (20, 24), (166.4, 168), (90, 88), (11, 16)]
)
def test_channels_are_divisible(value, channels):
    assert divisible(value) == channels


def test_costs_add_up():
    (net, _), (other, _) = everything(16), everything(17)
    both = total([net.costs, other.costs])
    assert both.flops == net.costs.flops + other.costs.flops
    assert both.parameters == net.costs.parameters + other.costs.parameters
