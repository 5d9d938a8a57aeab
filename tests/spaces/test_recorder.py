"""What networks of convolutions and of attention have in common: how they are written down."""

import numpy as np
import onnx
import pytest

from hwprof.opcosts import bytes_moved, flops
from hwprof.spaces.attention import Tape
from hwprof.spaces.building import Network
from tests.spaces import networks


def attention(batch=2, length=5):
    """A network with every part there is of attention."""
    tape = Tape()
    tokens = tape.tokens("tokens", batch, length)
    table = tape.weight("table", 11, 8)
    x = tape.lookup("table", table, tokens)
    x = tape.norm("norm", tape.concat("twice", [x, tape.slice("half", x, 4)], 2))
    x = tape.add("self", x, tape.attention("self", x, None, 8, 2, tape.causal_mask(length)))
    memory = tape.linear("memory", x, 6)
    x = tape.attention("cross", tape.gelu("gelu", x), memory, 8, 4, bias=False)
    return tape, tape.logits("output", tape.linear("last", x, 8, bias=False), table)


def test_attention_is_counted_as_onnx_infers_it():
    tape, result = attention()
    model = tape.model("attention", result)
    onnx.checker.check_model(model, full_check=True)
    kernels = networks.kernels_of(model)
    assert tape.costs.flops == sum(flops(kernel) for kernel in kernels)
    assert tape.costs.parameters == networks.learned(model)
    assert tape.costs.activation_bytes == sum(bytes_moved(kernel).out for kernel in kernels)
    tokens = np.zeros((2, 5), dtype=np.int64)
    (logits,) = networks.session(model).run(None, {"tokens": tokens})
    assert logits.shape == result.shape == (2, 5, 11)


def test_several_outputs_are_numbered_and_the_result_is_renamed():
    tape = Tape()
    x = tape.lookup("x", tape.weight("table", 3, 4), tape.tokens("tokens", 1, 2))
    left, right = tape.split("parts", x, 2)
    assert (left.name, right.name) == ("parts.Split_1.0", "parts.Split_1.1")
    model = tape.model("split", right)
    assert list(model.graph.node[-1].output) == ["parts.Split_1.0", "logits"]


@pytest.mark.parametrize("kind", [Network, Tape])
def test_mistakes_of_the_writer_are_told(kind):
    network = kind()
    x = network.input("x", 1, 8)
    network.weight("stem.weight", 4)
    with pytest.raises(ValueError, match=r"two weights stem\.weight"):
        network.weight("stem.weight", 4)
    with pytest.raises(ValueError, match="does not count NonZero"):
        network.node("NonZero", "stem", [x], x.shape)


@pytest.mark.parametrize("kind", [Network, Tape])
def test_constants_are_no_parameters_and_views_no_activations(kind):
    network = kind()
    x = network.multiply("scaled", network.input("x", 2, 3), network.number("half", 0.5))
    before = network.costs
    assert (before.parameters, before.activation_bytes) == (0, 4 * 6)
    network.reshape("flat", x, 6)
    assert network.costs == before
