"""The Once-for-All MobileNetV3 space: text, counts against an independent network, kernels."""

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
from hwprof.spaces.mobilenetv3 import MobileNetV3
from tests.spaces import networks

SPACE = MobileNetV3()
SMALL = "r=128 " + " ".join(f"d{s}=2 k{s}=3,3 e{s}=3,3" for s in range(1, 6))
LARGE = "r=224 " + " ".join(f"d{s}=4 k{s}=7,7,7,7 e{s}=6,6,6,6" for s in range(1, 6))
MIXED = (
    "r=212 d1=3 k1=5,3,7 e1=3,4,3 d2=3 k2=7,5,5 e2=6,4,4 d3=4 k3=3,7,7,3 e3=4,6,4,3 "
    "d4=4 k4=7,7,3,5 e4=6,3,4,3 d5=2 k5=5,3 e5=3,6"
)
WIDTHS, STRIDES = (24, 40, 80, 112, 160), (2, 2, 2, 1, 2)


@pytest.mark.parametrize("text", [SMALL, MIXED, LARGE])
def test_the_model_does_what_was_counted(text):
    model = SPACE.build(text)
    onnx.checker.check_model(model, full_check=True)
    kernels, costs = networks.kernels_of(model), SPACE.costs(text)
    assert costs.flops == sum(flops(kernel) for kernel in kernels)
    assert costs.activation_bytes == sum(bytes_moved(kernel).out for kernel in kernels)
    assert networks.told(costs.work) == networks.work_of(kernels)
    assert costs.parameters == networks.learned(model)
    side = int(text[2:5])
    image = np.random.default_rng(0).standard_normal((1, 3, side, side), dtype=np.float32)
    (logits,) = networks.session(model).run(None, {"image": image})
    assert logits.shape == (1, 1000)
    assert np.isfinite(logits).all()


def layer(before, after, kernel=1, stride=1, groups=1):
    conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(after)]


class Excite(nn.Module):
    def __init__(self, channels):
        super().__init__()
        # A quarter of the channels as the nearest multiple of 8 that is no tenth less.
        quarter = channels // 4
        narrow = min(n for n in range(8, channels, 8) if n >= 0.9 * quarter and n > quarter - 4)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, narrow, 1),
            nn.ReLU(),
            nn.Conv2d(narrow, channels, 1),
            nn.Hardsigmoid(),
        )

    def forward(self, x):
        return x * self.gate(x)


def independent(text):
    """The same architecture in PyTorch; shortcuts do not multiply, and are left out."""
    fields = dict(part.split("=") for part in text.split())
    layers = [*layer(3, 16, 3, 2), nn.Hardswish(), *layer(16, 16, 3, groups=16), nn.ReLU()]
    layers += layer(16, 16)
    before = 16
    for stage, (after, first) in enumerate(zip(WIDTHS, STRIDES, strict=True), 1):
        act = nn.ReLU if stage < 3 else nn.Hardswish
        chosen = zip(fields[f"k{stage}"].split(","), fields[f"e{stage}"].split(","), strict=True)
        for number, (kernel, expansion) in enumerate(chosen):
            inner = before * int(expansion)
            stride = first if number == 0 else 1
            layers += [*layer(before, inner), act()]
            layers += [*layer(inner, inner, int(kernel), stride, inner), act()]
            layers += [Excite(inner)] if stage in (2, 4, 5) else []
            layers += layer(inner, after)
            before = after
    layers += [*layer(160, 960), nn.Hardswish(), nn.AdaptiveAvgPool2d(1)]
    layers += [nn.Conv2d(960, 1280, 1, bias=False), nn.Hardswish(), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(1280, 1000)).eval(), int(fields["r"])


@pytest.mark.parametrize("text", [SMALL, MIXED, LARGE])
def test_an_independent_network_has_as_many_products_and_parameters(text):
    net, side = independent(text)
    assert sum(p.numel() for p in net.parameters()) == SPACE.costs(text).parameters
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 3, side, side))
    products = sum(macs(kernel) for kernel in networks.kernels_of(SPACE.build(text)))
    assert counter.get_total_flops() == 2 * products


def test_batch_and_resolution():
    kernels = networks.kernels_of(SPACE.build(SMALL, batch=2, resolution=64))
    assert kernels[0].inputs[0].shape == (2, 3, 64, 64)
    for wrong in ({"resolution": 31}, {"batch": 0}):
        with pytest.raises(OptionError):
            SPACE.build(SMALL, **wrong)


@given(st.integers(0, 2**32 - 1))
def test_text_is_the_inverse_of_rows(seed):
    rows = SPACE.sample(3, np.random.default_rng(seed))
    texts = SPACE.texts(rows)
    assert (SPACE.indices(texts) == rows).all()
    assert [SPACE.format(SPACE.parse(text)) for text in texts] == texts


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_costs_are_counted_layer_by_layer(seed):
    (row,) = SPACE.sample(1, np.random.default_rng(seed))
    kernels = networks.kernels_of(SPACE.build(row))
    assert SPACE.costs(row).flops == sum(flops(kernel) for kernel in kernels)
    assert SPACE.costs(row).activation_bytes == sum(bytes_moved(k).out for k in kernels)


def test_layers_past_the_depth_cost_nothing():
    row = SPACE.row(SMALL)
    names = [position.name for position in SPACE.positions]
    longer = row.copy()
    longer[[names.index("stage1.layer3.kernel"), names.index("stage5.layer4.expansion")]] = 2
    assert (SPACE.row(longer) == row).all()
    assert SPACE.costs(longer) == SPACE.costs(SMALL)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("r=128", "r=130", "'130' at resolution; choose among 128, 132"),
        ("d1=2", "d1=5", r"'5' at stage1\.depth; choose among 2, 3, 4"),
        ("k2=3,3", "k2=3,4", r"'4' at stage2\.layer2\.kernel; choose among 3, 5, 7"),
        ("e3=3,3", "e3=3,3,3", "has 3 values but with d3=2 takes 2 values"),
        ("d5=2", "", "lacks d5="),
    ],
)
def test_the_wrong_part_is_named(old, new, sentence):
    with pytest.raises(OptionError, match=sentence):
        SPACE.indices([SMALL.replace(old, new)])


def work(choices):
    """What the layers of an architecture do, FLOPs, bytes and narrowest width."""
    fields = dict(zip((p.name for p in SPACE.positions), choices, strict=True))
    side, before, parts = int(fields["resolution"]) / 2, 16, []
    parts.append((2 * 27 * 16 * side**2, 4 * 28 * side**2, 27))
    for stage, (after, stride) in enumerate(zip(WIDTHS, STRIDES, strict=True), 1):
        for number in range(1, int(fields[f"stage{stage}.depth"]) + 1):
            scope = f"stage{stage}.layer{number}"
            inner = before * int(fields[f"{scope}.expansion"])
            taps = int(fields[f"{scope}.kernel"]) ** 2
            out = side / (stride if number == 1 else 1)
            parts += [
                networks.product(side**2, before, inner),
                (2 * taps * inner * out**2, 4 * inner * (side**2 + out**2), 8),
                networks.product(out**2, inner, after),
            ]
            before, side = after, out
    return [*parts, networks.product(side**2, 160, 960), networks.product(1, 1280, 1000)]


def test_ten_measurements_rank_a_new_device():
    rng = np.random.default_rng(0)
    rows = SPACE.sample(400, rng)
    seconds = networks.simulated([work(SPACE.choices(row)) for row in rows], 9, rng)
    assert networks.few_shot(SPACE, rows, seconds) >= 0.9
