"""The space of vision transformers with convolutions: text, costs, models and kernels."""

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hwprof.errors import OptionError
from hwprof.opcosts import bytes_moved, flops, known_operators, macs
from hwprof.spaces.vit import Vit
from hwprof.testing.spaces import check_space
from tests.spaces import networks

SPACE = Vit()
SMALL = (
    "r=128 w1=32 d1=1 b1=fused e1=2 w2=64 d2=2 b2=mb,attn4x16 e2=4,2 "
    "w3=128 d3=2 b3=mb,attn8x32 e3=3,4 w4=256 d4=1 b4=attn8x16 e4=2"
)
CONVOLUTIONS = (
    "r=160 w1=48 d1=2 b1=mb,fused e1=2,4 w2=96 d2=1 b2=fused e2=3 "
    "w3=192 d3=2 b3=mb,mb e3=3,4 w4=384 d4=1 b4=mb e4=2"
)


def test_it_keeps_the_laws():
    check_space(SPACE, build=False)


@given(st.integers(0, 2**32 - 1))
def test_text_is_the_inverse_of_rows(seed):
    rows = SPACE.sample(3, np.random.default_rng(seed))
    texts = SPACE.texts(rows)
    assert (SPACE.indices(texts) == rows).all()
    assert [SPACE.format(SPACE.parse(text)) for text in texts] == texts


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("r=128", "r=130", "'130' at resolution; choose among 128, 160"),
        ("b1=fused", "b1=attn4x16", r"'attn4x16' at stage1\.layer1\.block; choose among mb, fused"),
        ("b3=mb,attn8x32", "b3=mb", "1 value but with d3=2 takes 2 values"),
        ("w4=256", "w4=128", r"'128' at stage4\.width; choose among 256, 384, 512"),
    ],
)
def test_the_wrong_part_is_named(old, new, sentence):
    with pytest.raises(OptionError, match=sentence):
        SPACE.indices([SMALL.replace(old, new)])


def test_other_sizes_are_refused():
    for wrong in ({"resolution": 31}, {"batch": 0}):
        with pytest.raises(OptionError):
            SPACE.build(SMALL, **wrong)


@pytest.mark.parametrize("text", [SMALL, CONVOLUTIONS])
def test_costs_are_those_of_the_model(text):
    model, costs = SPACE.build(text), SPACE.costs(text)
    onnx.checker.check_model(model, full_check=True)
    assert {("", node.op_type) for node in model.graph.node} <= known_operators()
    kernels = networks.kernels_of(model)
    assert costs.flops == sum(flops(kernel) for kernel in kernels)
    assert costs.activation_bytes == sum(bytes_moved(kernel).out for kernel in kernels)
    assert networks.told(costs.work) == networks.work_of(kernels)
    assert costs.parameters == networks.learned(model)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_costs_are_counted_layer_by_layer(seed):
    (row,) = SPACE.sample(1, np.random.default_rng(seed))
    kernels = networks.kernels_of(SPACE.build(row))
    assert SPACE.costs(row).flops == sum(flops(kernel) for kernel in kernels)
    assert networks.told(SPACE.costs(row).work) == networks.work_of(kernels)


def test_nodes_tell_their_layer():
    layers = {SPACE.layer_of(node.name) for node in SPACE.build(SMALL).graph.node}
    depths = {1: 1, 2: 2, 3: 2, 4: 1}
    expected = {f"stage{s}.layer{i}" for s, depth in depths.items() for i in range(1, depth + 1)}
    assert layers == {"", *expected}


def layer(before, after, kernel=1, stride=1, groups=1):
    conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after))


class Convolution(nn.Module):
    def __init__(self, width, ratio, block):
        super().__init__()
        inner = ratio * width
        self.expand = layer(width, inner, 3 if block == "fused" else 1)
        self.depthwise = layer(inner, inner, 3, 1, inner) if block == "mb" else None
        self.project = layer(inner, width)

    def forward(self, x):
        y = nn.functional.hardswish(self.expand(x))
        if self.depthwise is not None:
            y = nn.functional.hardswish(self.depthwise(y))
        return x + self.project(y)


class Attention(nn.Module):
    def __init__(self, width, ratio, heads, narrow):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key = (nn.Linear(width, heads * narrow) for _ in range(2))
        self.value, self.out = (nn.Linear(width, width) for _ in range(2))
        self.up, self.down = nn.Linear(width, ratio * width), nn.Linear(ratio * width, width)

    def forward(self, image):
        def apart(y):
            return y.unflatten(2, (self.heads, -1)).transpose(1, 2)

        x = image.flatten(2).mT
        y = self.norm1(x)
        q, k, v = apart(self.query(y)), apart(self.key(y)), apart(self.value(y))
        shares = (q @ k.mT / q.shape[-1] ** 0.5).softmax(dim=-1)
        x = x + self.out((shares @ v).transpose(1, 2).flatten(2))
        x = x + self.down(nn.functional.gelu(self.up(self.norm2(x))))
        return x.mT.reshape(image.shape)


def independent(text):
    """The same architecture in PyTorch, and the names of its layers."""
    fields = dict(part.split("=") for part in text.split())
    before, parts = 24, {"stem": nn.Sequential(layer(3, 24, 3, 2), nn.Hardswish())}
    for stage in range(1, 5):
        width = int(fields[f"w{stage}"])
        halving = nn.Sequential(layer(before, width, 3, 2), nn.Hardswish())
        parts[f"stage{stage}.halving"] = halving
        blocks, ratios = (fields[f"{key}{stage}"].split(",") for key in "be")
        for number, (block, ratio) in enumerate(zip(blocks, map(int, ratios), strict=True), 1):
            sizes = block.removeprefix("attn").split("x")
            made = (
                Attention(width, ratio, *map(int, sizes))
                if "attn" in block
                else Convolution(width, ratio, block)
            )
            parts[f"stage{stage}.layer{number}"] = made
        before = width
    parts["head"] = nn.Sequential(layer(before, 960), nn.Hardswish(), nn.AdaptiveAvgPool2d(1))
    parts["classifier"] = nn.Sequential(nn.Flatten(), nn.Linear(960, 1000))
    return nn.Sequential(*parts.values()).eval(), [*parts]


@pytest.mark.parametrize("text", [SMALL, CONVOLUTIONS])
def test_an_independent_network_has_as_many_products_and_parameters(text):
    net, _ = independent(text)
    assert sum(p.numel() for p in net.parameters()) == SPACE.costs(text).parameters
    side = int(text[2:5])
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.zeros(1, 3, side, side))
    products = sum(macs(kernel) for kernel in networks.kernels_of(SPACE.build(text)))
    assert counter.get_total_flops() == 2 * products


def test_torch_computes_the_same():
    model = SPACE.build(SMALL, resolution=70)
    net, names = independent(SMALL)
    scopes = {t.name.rpartition(".")[0] for t in model.graph.initializer}
    weights = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    state = net.state_dict()
    # What torch calls a tensor of a layer's only or last part, and what hwprof does.
    parts = {"expand": "expand", "depthwise": "depthwise", "project": "project"}
    parts |= {n: f"attention.{n}" for n in ("query", "key", "value", "out")}
    parts |= {"up": "mlp.up", "down": "mlp.down", "norm1": "norm1", "norm2": "norm2"}
    filled = set()
    for number, name in enumerate(names):
        for part, ours in {"": "", **parts}.items():
            scope = f"{name}.{ours}".rstrip(".")
            if scope not in scopes:
                continue
            prefix = f"{number}.{part}".rstrip(".")
            if f"{scope}.scale" in weights and f"{scope}.weight" in weights:
                inner = prefix if part else f"{prefix}.0"
                found = {
                    f"{inner}.0.weight": weights[f"{scope}.weight"],
                    f"{inner}.1.weight": weights[f"{scope}.scale"],
                    f"{inner}.1.bias": weights[f"{scope}.shift"],
                }
            elif f"{scope}.scale" in weights:
                found = {
                    f"{prefix}.weight": weights[f"{scope}.scale"],
                    f"{prefix}.bias": weights[f"{scope}.shift"],
                }
            else:
                weight = weights[f"{scope}.weight"]
                turned = weight if name == "classifier" else weight.T
                inner = f"{prefix}.1" if name == "classifier" else prefix
                found = {f"{inner}.weight": turned, f"{inner}.bias": weights[f"{scope}.bias"]}
            state |= {key: torch.tensor(value.copy()) for key, value in found.items()}
            filled |= set(found)
    assert filled == {key for key, _ in net.named_parameters()}
    net.load_state_dict(state)
    image = np.random.default_rng(2).standard_normal((1, 3, 70, 70), dtype=np.float32)
    (found,) = networks.session(model).run(None, {"image": image})
    with torch.no_grad():
        expected = net(torch.tensor(image)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-3)


def work(row):
    """Operations of an architecture, for simulated devices."""
    fields = dict(part.split("=") for part in SPACE.texts([row])[0].split())
    pixels, parts, before = int(fields["r"]) ** 2 / 4, [], 24
    parts.append(networks.product(pixels, 27, before))
    for stage in range(1, 5):
        pixels /= 4
        width = int(fields[f"w{stage}"])
        parts.append(networks.product(pixels, 9 * before, width))
        blocks, ratios = (fields[f"{key}{stage}"].split(",") for key in "be")
        for block, ratio in zip(blocks, map(int, ratios), strict=True):
            inner = ratio * width
            if block == "fused":
                parts.append(networks.product(pixels, 9 * width, inner))
                parts.append(networks.product(pixels, inner, width))
                continue
            parts += [networks.product(pixels, width, inner)] * 2
            if block == "mb":
                parts.append((18 * pixels * inner, 8 * pixels * inner, 9))
            else:
                heads, narrow = map(int, block.removeprefix("attn").split("x"))
                parts += networks.attention(pixels, pixels, width, width, heads * narrow, heads)
        before = width
    return parts


def test_ten_measurements_rank_a_new_device():
    rng = np.random.default_rng(0)
    rows = SPACE.sample(400, rng)
    seconds = networks.simulated([work(row) for row in rows], 9, rng)
    assert networks.few_shot(SPACE, rows, seconds) >= 0.9


@pytest.mark.parametrize("batch", [1, 2])
def test_batches_are_independent(batch):
    model = SPACE.build(SMALL, batch, resolution=64)
    images = np.random.default_rng(4).standard_normal((batch, 3, 64, 64), dtype=np.float32)
    (logits,) = networks.session(model).run(None, {"image": images})
    assert logits.shape == (batch, 1000)
    assert np.isfinite(logits).all()
    (swapped,) = networks.session(model).run(None, {"image": images[::-1].copy()})
    np.testing.assert_allclose(swapped[::-1], logits, rtol=1e-3, atol=1e-4)


@pytest.mark.runtimes
@pytest.mark.parametrize("batch", [1, 2])
def test_openvino_computes_what_onnxruntime_does(batch):
    openvino = pytest.importorskip("openvino")
    model = SPACE.build(SMALL, batch, resolution=64)
    images = np.random.default_rng(4).standard_normal((batch, 3, 64, 64), dtype=np.float32)
    (expected,) = networks.session(model).run(None, {"image": images})
    compiled = openvino.compile_model(
        openvino.Core().read_model(model.SerializeToString()),
        "CPU",
        {"INFERENCE_PRECISION_HINT": "f32"},
    )
    np.testing.assert_allclose(compiled({"image": images})[0], expected, rtol=1e-2, atol=1e-2)
