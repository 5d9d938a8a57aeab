"""The Once-for-All ResNet-50 space: published figures, counts, kernels."""

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
from hwprof.spaces.resnet50 import ResNet50
from tests.spaces import networks

SPACE = ResNet50()


def uniform(side, stem, width, ratio, depths):
    blocks = (f"d{s}={d} e{s}={','.join([ratio] * d)}" for s, d in enumerate(depths, 1))
    return f"r={side} stem={stem} w={','.join([width] * 6)} {' '.join(blocks)}"


RESNET50 = uniform(224, "short", "1", "0.25", (3, 4, 6, 3))
SMALL = uniform(128, "short", "0.65", "0.2", (2, 2, 4, 2))
LARGE = uniform(224, "long", "1", "0.35", (4, 4, 6, 4))
MIXED = (
    "r=180 stem=long w=0.8,0.65,1,0.65,0.8,1 d1=2 e1=0.35,0.25 d2=3 e2=0.35,0.2,0.25 "
    "d3=5 e3=0.35,0.2,0.35,0.25,0.2 d4=4 e4=0.25,0.2,0.35,0.35"
)


def test_costs_are_those_of_resnet50_but_for_the_stem():
    # 7 x 7 from 3 to 64 channels against 3 x 3 from 3 to 32 to 64, with their normalisations.
    published, one, three = 25_557_032, 7 * 7 * 3 * 64 + 128, 27 * 32 + 64 + 9 * 32 * 64 + 128
    assert SPACE.costs(RESNET50).parameters == published - one + three
    products = sum(macs(kernel) for kernel in networks.kernels_of(SPACE.build(RESNET50)))
    published, side = 4_089_184_256, 112
    stems = (27 * 32 + 9 * 32 * 64 - 7 * 7 * 3 * 64) * side**2
    assert products == published + stems


@pytest.mark.parametrize("text", [SMALL, MIXED, RESNET50])
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


class Block(nn.Module):
    def __init__(self, before, wide, middle, stride, first):
        super().__init__()
        self.main = nn.Sequential(
            *layer(before, middle), nn.ReLU(), *layer(middle, middle, 3, stride), nn.ReLU()
        )
        self.main.extend(layer(middle, wide))
        pool = [nn.AvgPool2d(2, 2, ceil_mode=True)] if stride == 2 else []
        self.short = nn.Sequential(*pool, *(layer(before, wide) if first else []))

    def forward(self, x):
        return torch.relu(self.main(x) + self.short(x))


def layer(before, after, kernel=1, stride=1):
    conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(after)]


def eighth(value):
    """The nearest multiple of 8, the higher one of two."""
    return 8 * int(value / 8 + 0.5)


def independent(text):
    """The same architecture in PyTorch; the sum in the stem does not multiply, and is left out."""
    fields = dict(part.split("=") for part in text.split())
    narrow, stem, *widths = map(float, fields["w"].split(","))
    inner, before = eighth(eighth(64 * narrow) / 2), eighth(64 * stem)
    layers = [*layer(3, inner, 3, 2), nn.ReLU()]
    layers += [*layer(inner, inner, 3), nn.ReLU()] if fields["stem"] == "long" else []
    layers += [*layer(inner, before, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    for stage, (base, width) in enumerate(zip((256, 512, 1024, 2048), widths, strict=True), 1):
        wide = eighth(base * width)
        for number, ratio in enumerate(fields[f"e{stage}"].split(",")):
            stride = 2 if number == 0 and stage > 1 else 1
            middle = eighth(round(wide * float(ratio)))
            layers.append(Block(before, wide, middle, stride, number == 0))
            before = wide
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 1000)]
    return nn.Sequential(*layers).eval(), int(fields["r"])


@pytest.mark.parametrize("text", [SMALL, MIXED, LARGE])
def test_an_independent_network_has_as_many_products_and_parameters(text):
    net, side = independent(text)
    assert sum(p.numel() for p in net.parameters()) == SPACE.costs(text).parameters
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 3, side, side))
    products = sum(macs(kernel) for kernel in networks.kernels_of(SPACE.build(text)))
    assert counter.get_total_flops() == 2 * products


def test_batch_and_resolution():
    kernels = networks.kernels_of(SPACE.build(SMALL, batch=2, resolution=50))
    assert kernels[0].inputs[0].shape == (2, 3, 50, 50)
    for wrong in ({"resolution": 31}, {"batch": 0}):
        with pytest.raises(OptionError):
            SPACE.build(SMALL, **wrong)


@given(st.integers(0, 2**32 - 1))
def test_text_is_the_inverse_of_rows(seed):
    rows = SPACE.sample(3, np.random.default_rng(seed))
    texts = SPACE.texts(rows)
    assert (SPACE.indices(texts) == rows).all()
    assert [SPACE.format(SPACE.parse(text)) for text in texts] == texts


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_costs_are_counted_block_by_block(seed):
    (row,) = SPACE.sample(1, np.random.default_rng(seed))
    kernels = networks.kernels_of(SPACE.build(row))
    assert SPACE.costs(row).flops == sum(flops(kernel) for kernel in kernels)
    assert SPACE.costs(row).activation_bytes == sum(bytes_moved(k).out for k in kernels)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("stem=short", "stem=none", "'none' at stem; choose among short, long"),
        ("d3=4", "d3=7", r"'7' at stage3\.depth; choose among 4, 5, 6"),
        ("e2=0.2,0.2", "e2=0.2,0.3", r"'0.3' at stage2\.block2\.ratio; choose among 0.2, 0.25"),
        ("w=0.65,", "w=", "has 5 values but takes 6 values"),
    ],
)
def test_the_wrong_part_is_named(old, new, sentence):
    with pytest.raises(OptionError, match=sentence):
        SPACE.indices([SMALL.replace(old, new)])


def work(choices):
    """What the layers of an architecture do, FLOPs, bytes and narrowest width."""
    fields = dict(zip((p.name for p in SPACE.positions), choices, strict=True))
    side = int(fields["resolution"]) / 2
    inner, before = 32 * float(fields["stem.inner_width"]), 64 * float(fields["stem.width"])
    parts = [networks.product(side**2, 27, inner), networks.product(side**2, 9 * inner, before)]
    if fields["stem"] == "long":
        parts.append(networks.product(side**2, 9 * inner, inner))
    side /= 2
    for stage, base in enumerate((256, 512, 1024, 2048), 1):
        wide = base * float(fields[f"stage{stage}.width"])
        for number in range(1, int(fields[f"stage{stage}.depth"]) + 1):
            middle = wide * float(fields[f"stage{stage}.block{number}.ratio"])
            out = side / 2 if number == 1 and stage > 1 else side
            parts += [
                networks.product(side**2, before, middle),
                networks.product(out**2, 9 * middle, middle),
                networks.product(out**2, middle, wide),
            ]
            parts += [networks.product(out**2, before, wide)] if number == 1 else []
            before, side = wide, out
    return [*parts, networks.product(1, before, 1000)]


def test_ten_measurements_rank_a_new_device():
    rng = np.random.default_rng(0)
    rows = SPACE.sample(400, rng)
    seconds = networks.simulated([work(SPACE.choices(row)) for row in rows], 9, rng)
    assert networks.few_shot(SPACE, rows, seconds) >= 0.9
