"""The network of HW-NAS-Bench's FBNet space: models, counts and conversion."""

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hwprof.errors import OptionError
from hwprof.opcosts import bytes_moved, flops, macs
from hwprof.spaces.fbnet import FbNet
from tests.spaces import networks

SPACE = FbNet()
MIXED = " ".join((SPACE.operations * 3)[:22])
SKIPS = " ".join(["skip"] * 22)
GRID = {"k3": 3, "k5": 5, "e1": 1, "e3": 3, "e6": 6}


@pytest.mark.parametrize("text", [MIXED, SKIPS, " ".join(["k5_e6"] * 22)])
def test_the_model_does_what_was_counted(text):
    model = SPACE.build(text, batch=1)
    onnx.checker.check_model(model, full_check=True)
    kernels, costs = networks.kernels_of(model), SPACE.costs(text)
    assert costs.flops == sum(flops(kernel) for kernel in kernels)
    assert costs.activation_bytes == sum(bytes_moved(kernel).out for kernel in kernels)
    assert networks.told(costs.work) == networks.work_of(kernels)
    assert costs.parameters == networks.learned(model)
    image = np.random.default_rng(0).standard_normal((1, 3, 32, 32), dtype=np.float32)
    (logits,) = networks.session(model).run(None, {"image": image})
    assert logits.shape == (1, 100)
    assert np.isfinite(logits).all()


def layer(before, after, kernel, stride=1, groups=1, relu=True):
    conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU() if relu else nn.Identity())


def block(choice, before, after, stride):
    """Shortcuts and shuffles do not multiply, and are left out."""
    if choice == "skip":
        kept = before == after and stride == 1
        return nn.Identity() if kept else layer(before, after, 1, stride)
    kernel, expansion, *rest = choice.split("_")
    inner, groups = before * GRID[expansion], 2 if rest else 1
    return nn.Sequential(
        layer(before, inner, 1, groups=groups),
        layer(inner, inner, GRID[kernel], stride, inner),
        layer(inner, after, 1, groups=groups, relu=False),
    )


@pytest.mark.parametrize("text", [MIXED, SKIPS])
def test_an_independent_network_has_as_many_products_and_parameters(text):
    layers, before = [layer(3, 16, 3)], 16
    stages = zip((16, 24, 32, 64, 112, 184, 352), (1, 4, 4, 4, 4, 4, 1), "1122121", strict=True)
    places = [(c, int(s) if i == 0 else 1) for c, n, s in stages for i in range(n)]
    for choice, (channels, stride) in zip(text.split(), places, strict=True):
        layers.append(block(choice, before, channels, stride))
        before = channels
    layers += [layer(352, 1504, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1504, 100)]
    net = nn.Sequential(*layers).eval()
    assert sum(p.numel() for p in net.parameters()) == SPACE.costs(text).parameters
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 3, 32, 32))
    products = sum(macs(kernel) for kernel in networks.kernels_of(SPACE.build(text)))
    assert counter.get_total_flops() == 2 * products


def test_a_skip_is_nothing_where_the_shape_is_kept():
    operators = [kernel.op for kernel in networks.kernels_of(SPACE.build(SKIPS))]
    # Six of the 22 positions change the channels or the side; stem and head have one each.
    assert operators.count("Conv") == 6 + 2


def test_batch_and_resolution():
    kernels = networks.kernels_of(SPACE.build(MIXED, batch=2, resolution=27))
    assert kernels[0].inputs[0].shape == (2, 3, 27, 27)
    with pytest.raises(OptionError, match="resolution of fbnet"):
        SPACE.build(MIXED, resolution=0)


def test_a_wrong_block_is_named():
    with pytest.raises(OptionError, match=r"no operation 'k7_e3'; choose among k3_e1, k3_e1_g2"):
        SPACE.indices([MIXED, MIXED.replace("k5_e3", "k7_e3")])
    with pytest.raises(OptionError, match="22 operations, but 23 were given"):
        SPACE.indices([MIXED, MIXED + " skip"])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_costs_of_many_are_costs_one_by_one(seed):
    rows = SPACE.sample(3, np.random.default_rng(seed))
    texts, costs = SPACE.texts(rows), [SPACE.costs(row) for row in rows]
    assert (SPACE.indices(texts) == rows).all()
    assert SPACE.flops(texts).tolist() == [c.flops for c in costs]
    assert SPACE.parameters(rows).tolist() == [c.parameters for c in costs]
