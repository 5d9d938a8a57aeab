"""The network of NAS-Bench-201: published figures, models, and fast conversion."""

from dataclasses import asdict

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
from hwprof.spaces.building import Network
from hwprof.spaces.nasbench201 import NasBench201, _end, _operation, _write
from hwprof.spaces.recorder import Tensor
from hwprof.spaces.work import NAMES
from tests.spaces import networks

SPACE = NasBench201()
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
FORM = "|{0}~0|+|{0}~0|{0}~1|+|{0}~0|{0}~1|{0}~2|"
CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|"


@pytest.mark.parametrize(
    ("operation", "mega_params", "mega_macs"),
    [
        ("nor_conv_3x3", 1.531546, 220.119690),
        ("skip_connect", 0.073306, 7.783050),
        ("none", 0.073306, 7.783050),
    ],
)
def test_costs_are_the_published_ones(operation, mega_params, mega_macs):
    cell = FORM.format(operation)
    assert SPACE.costs(cell).parameters == round(mega_params * 1e6)
    products = sum(macs(kernel) for kernel in networks.kernels_of(SPACE.build(cell)))
    # The published figure counts the bias of the ten classes as well.
    assert products + 10 == round(mega_macs * 1e6)


@pytest.mark.parametrize("text", [CELL, *(FORM.format(op) for op in SPACE.operations)])
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
    assert logits.shape == (1, 10)
    assert np.isfinite(logits).all()


def conv_norm(before, after, kernel, stride=1):
    conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(nn.ReLU(), conv, nn.BatchNorm2d(after))


class Cell(nn.Module):
    """The cell of `CELL`, written out."""

    def __init__(self, channels):
        super().__init__()
        self.first, self.third = conv_norm(channels, channels, 3), conv_norm(channels, channels, 1)
        self.pool = nn.AvgPool2d(3, 1, 1, count_include_pad=False)

    def forward(self, x):
        one = self.first(x)
        two = x * 0 + one
        return self.pool(x) + self.third(one) + two * 0


class Reduction(nn.Module):
    def __init__(self, before, after):
        super().__init__()
        self.long = nn.Sequential(conv_norm(before, after, 3, 2), conv_norm(after, after, 3))
        self.short = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(before, after, 1, bias=False))

    def forward(self, x):
        return self.short(x) + self.long(x)


def test_an_independent_network_has_as_many_products_and_parameters():
    layers = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)]
    for before, channels in ((16, 16), (16, 32), (32, 64)):
        layers += [Reduction(before, channels)] if channels > 16 else []
        layers += [Cell(channels) for _ in range(5)]
    layers += [nn.BatchNorm2d(64), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    net = nn.Sequential(*layers, nn.Linear(64, 10)).eval()
    assert sum(p.numel() for p in net.parameters()) == SPACE.costs(CELL).parameters
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 3, 32, 32))
    products = sum(macs(kernel) for kernel in networks.kernels_of(SPACE.build(CELL)))
    assert counter.get_total_flops() == 2 * products


def test_batch_and_resolution():
    kernels = networks.kernels_of(SPACE.build(CELL, batch=3, resolution=8))
    assert kernels[0].inputs[0].shape == (3, 3, 8, 8)
    assert kernels[-1].outputs[0].shape == (3, 10)
    for wrong in ({"resolution": 30}, {"resolution": 0}, {"batch": 0}):
        with pytest.raises(OptionError):
            SPACE.build(CELL, **wrong)


def test_all_cells_have_a_text_and_back():
    rows = np.stack(np.unravel_index(np.arange(SPACE.size), (5,) * 6), axis=1)
    texts = SPACE.texts(rows)
    assert len(set(texts)) == SPACE.size == 15_625
    assert (SPACE.indices(texts) == rows).all()
    choices = [SPACE.operations[i] for i in rows[4321]]
    assert SPACE.parse(texts[4321]) == tuple(choices)
    assert SPACE.format(choices) == texts[4321]


def test_texts_in_other_forms_are_parsed():
    loose = f"  {CELL}\n"
    assert (SPACE.indices([CELL, loose]) == SPACE.row(CELL)).all()
    with pytest.raises(OptionError, match=r"no operation 'conv'; choose among none, skip_connect"):
        SPACE.indices([CELL, CELL.replace("none~2", "conv~2")])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_costs_of_many_are_costs_one_by_one(seed):
    rows = SPACE.sample(3, np.random.default_rng(seed))
    costs = [SPACE.costs(row) for row in rows]
    assert SPACE.flops(rows).tolist() == [c.flops for c in costs]
    assert SPACE.parameters(SPACE.texts(rows)).tolist() == [c.parameters for c in costs]


def live_network(operations):
    """The network that is left where dead operations are dropped, written down from its end."""
    chosen = dict(zip(EDGES, operations, strict=True))
    reached = {0}
    for start, end in EDGES:
        reached |= {end} if start in reached and chosen[start, end] != "none" else set()

    def cell(net, scope, x):
        known = {0: x}

        def node(number):
            if number not in known:
                edges = [e for e in EDGES if e[1] == number and chosen[e] != "none"]
                parts = [_operation(net, f"{scope}.{e}", node(e[0]), chosen[e]) for e in edges]
                # Where nothing leads to a node there are zeros, made once and not by an operator.
                total = parts[0] if parts else Tensor("zeros", x.shape)
                for part in parts[1:]:
                    total = net.add(f"{scope}.{number}", total, part)
                known[number] = total
            return known[number]

        return node(3)

    net = Network()
    if 3 in reached:
        _write(net, cell, 1, 32)
    else:
        _end(net, cell(net, "last", Tensor("x", (1, 64, 8, 8))))
    return net


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 5**6 - 1))
def test_live_columns_are_those_of_the_network_without_dead_operations(number):
    row = np.array(np.unravel_index(number, (5,) * 6))
    work = live_network(SPACE.choices(row)).costs.work
    columns = dict(zip(SPACE.analytic_names, SPACE.analytic(row[None])[0], strict=True))
    found = {name: columns[f"live_{name}"] for name in NAMES if f"live_{name}" in columns}
    assert found == {name: value for name, value in asdict(work).items() if name in found}
    assert all(columns[f"live_{name}"] <= columns[name] * (1 + 1e-12) for name in found)


def test_nothing_is_dead_where_every_edge_has_an_operation():
    full = SPACE.analytic(1 + SPACE.sample(50, np.random.default_rng(0)) % 4)
    half = full.shape[1] // 2
    np.testing.assert_allclose(full[:, :half], full[:, half:])
