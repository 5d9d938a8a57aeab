"""The GPT space: text, costs, models and kernels."""

import subprocess
import sys

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
from hwprof.spaces.gpt import LENGTH, VOCABULARY, Gpt
from tests.spaces import networks

SPACE = Gpt()
SMALL = "embed=192 layers=10 heads=4,8,12,4,8,12,4,8,12,4 mlp=2,3,4,2,3,4,2,3,4,2 bias=on"
BARE = SMALL.replace("on", "off").replace("layers=10", "layers=11").replace("=4,", "=4,4,")
BARE = BARE.replace("=2,", "=2,2,")
TWELVES, FOURS = ",".join(["12"] * 12), ",".join(["4"] * 12)
GPT2 = f"embed=768 layers=12 heads={TWELVES} mlp={FOURS} bias=on"


@pytest.fixture(scope="module")
def model():
    return SPACE.build(SMALL)


@pytest.fixture(scope="module")
def running():
    return networks.session(SPACE.build(SMALL, batch=2, resolution=9))


def test_gpt2_small_has_its_published_parameters():
    assert SPACE.costs(GPT2).parameters == 124_439_808


@given(st.integers(0, 2**32 - 1))
def test_text_is_the_inverse_of_rows(seed):
    rows = SPACE.sample(3, np.random.default_rng(seed))
    texts = SPACE.texts(rows)
    assert (SPACE.indices(texts) == rows).all()
    assert [SPACE.format(SPACE.parse(text)) for text in texts] == texts


def test_fields_come_in_any_order():
    assert SPACE.parse(" ".join(reversed(SMALL.split()))) == SPACE.parse(SMALL)


def test_layers_past_the_depth_hold_choice_zero():
    row = SPACE.indices([SMALL])[0]
    names = [position.name for position in SPACE.positions]
    full = row.copy()
    full[[names.index("layer11.heads"), names.index("layer12.mlp")]] = 2
    assert (SPACE.indices([full])[0] == row).all()
    assert SPACE.costs(full) == SPACE.costs(SMALL)
    assert SPACE.texts([full]) == [SMALL]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"lacks embed=; give embed=, layers=, heads=, mlp=, bias="),
        (SMALL.replace("bias=on", ""), "lacks bias="),
        (SMALL + " bias=off", "bias= of gpt stands twice, in 'bias=off'; give it once"),
        (SMALL + " depth=3", "has no field 'depth=3'; give embed="),
        (SMALL + " deep", "has no field 'deep'; give embed="),
        (SMALL.replace("embed=192", "embed=256"), "'256' at embed; choose among 192, 384, 768"),
        (SMALL.replace("mlp=2,3", "mlp=2,5"), "'5' at layer2.mlp; choose among 2, 3, 4"),
        (SMALL.replace("layers=10", "layers=9"), "'9' at layers; choose among 10, 11, 12"),
        (SMALL.replace("layers=10", "layers=12"), "10 values but with layers=12 takes 12 values"),
        (SMALL.replace("bias=on", "bias=on,off"), "2 values but takes 1 value; give 1"),
    ],
)
def test_other_texts_are_refused(text, message):
    with pytest.raises(OptionError, match=message):
        SPACE.parse(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 0}, "batch must be a whole number from 1"),
        ({"batch": 1.5}, "whole number from 1, but is 1.5"),
        ({"resolution": 0}, "from 1 to 1024, but is 0"),
        ({"resolution": 1025}, "from 1 to 1024, but is 1025"),
    ],
)
def test_other_sizes_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        SPACE.build(SMALL, **options)


def test_model_is_sound_and_its_operators_have_costs(model):
    onnx.checker.check_model(model, full_check=True)
    assert {("", node.op_type) for node in model.graph.node} <= known_operators()
    (tokens,), (logits,) = model.graph.input, model.graph.output
    assert [d.dim_value for d in tokens.type.tensor_type.shape.dim] == [1, LENGTH]
    assert [d.dim_value for d in logits.type.tensor_type.shape.dim] == [1, LENGTH, VOCABULARY]


@pytest.mark.parametrize("text", [SMALL, BARE])
def test_costs_are_those_of_the_model(text):
    model, costs = SPACE.build(text), SPACE.costs(text)
    kernels = networks.kernels_of(model)
    assert costs.flops == sum(flops(kernel) for kernel in kernels)
    assert costs.activation_bytes == sum(bytes_moved(kernel).out for kernel in kernels)
    assert networks.told(costs.work) == networks.work_of(kernels)
    assert costs.parameters == networks.learned(model)


def test_outputs_are_finite_and_batches_independent(running):
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, VOCABULARY, (2, 9))
    (logits,) = running.run(None, {"tokens": tokens})
    assert logits.shape == (2, 9, VOCABULARY)
    assert np.isfinite(logits).all()
    assert logits.std() > 0
    (swapped,) = running.run(None, {"tokens": tokens[::-1].copy()})
    np.testing.assert_allclose(swapped[::-1], logits, atol=1e-4)


def test_tokens_see_only_what_came_before(running):
    tokens = np.random.default_rng(1).integers(0, VOCABULARY, (2, 9))
    changed = tokens.copy()
    changed[:, 6] += 1 - 2 * (tokens[:, 6] > 0)
    (one,), (other,) = (running.run(None, {"tokens": t}) for t in (tokens, changed))
    np.testing.assert_allclose(one[:, :6], other[:, :6], atol=1e-5)
    assert (np.abs(one[:, 6:] - other[:, 6:]).max(axis=2) > 1e-3).all()


class Block(nn.Module):
    """An independent layer, by the modules of torch."""

    def __init__(self, width, heads, ratio):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, ratio * width), nn.GELU(), nn.Linear(ratio * width, width)
        )

    def forward(self, x):
        b, t, w = x.shape
        parts = self.qkv(self.norm1(x)).view(b, t, 3, self.heads, w // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        # Written out, because torch counts no FLOPs of its fused attention on a CPU.
        future = torch.full((t, t), -torch.inf).triu(1)
        shares = (q @ k.transpose(-2, -1) / k.shape[-1] ** 0.5 + future).softmax(dim=-1)
        x = x + self.out((shares @ v).transpose(1, 2).reshape(b, t, w))
        return x + self.mlp(self.norm2(x))


class Reference(nn.Module):
    """An independent GPT."""

    def __init__(self, width, heads, ratios):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, width), nn.Embedding(1024, width)
        self.blocks = nn.Sequential(*map(Block, [width] * len(heads), heads, ratios))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens):
        x = self.embedding(tokens) + self.positions(torch.arange(tokens.shape[1]))
        return self.norm(self.blocks(x)) @ self.embedding.weight.T


def test_torch_counts_the_same(model):
    reference = Reference(192, [4, 8, 12] * 3 + [4], [2, 3, 4] * 3 + [2]).eval()
    assert sum(p.numel() for p in reference.parameters()) == SPACE.costs(SMALL).parameters
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        reference(torch.zeros((1, LENGTH), dtype=torch.int64))
    products = sum(2 * macs(kernel) for kernel in networks.kernels_of(model))
    assert counter.get_total_flops() == products


def test_torch_computes_the_same():
    model = SPACE.build(SMALL, resolution=7)
    weights = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    reference = Reference(192, [4, 8, 12] * 3 + [4], [2, 3, 4] * 3 + [2]).eval()
    names = {
        "norm1": ("norm1", ("scale", "shift")),
        "norm2": ("norm2", ("scale", "shift")),
        "qkv": ("attention.qkv", ("weight", "bias")),
        "out": ("attention.out", ("weight", "bias")),
        "mlp.0": ("mlp.up", ("weight", "bias")),
        "mlp.2": ("mlp.down", ("weight", "bias")),
    }
    state = {f"{name}.weight": weights[name] for name in ("embedding", "positions")}
    state |= {"norm.weight": weights["norm.scale"], "norm.bias": weights["norm.shift"]}
    for layer in range(10):
        for theirs, (ours, (weight, bias)) in names.items():
            prefix = f"layer{layer + 1}.{ours}"
            state[f"blocks.{layer}.{theirs}.weight"] = weights[f"{prefix}.{weight}"].T
            state[f"blocks.{layer}.{theirs}.bias"] = weights[f"{prefix}.{bias}"]
    reference.load_state_dict({k: torch.tensor(v.copy()) for k, v in state.items()})
    tokens = np.random.default_rng(2).integers(0, VOCABULARY, (1, 7))
    (logits,) = networks.session(model).run(None, {"tokens": tokens})
    with torch.no_grad():
        expected = reference(torch.tensor(tokens)).numpy()
    np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-4)


def work(row):
    """Operations of an architecture, for simulated devices."""
    embed, _, *rest = SPACE.choices(row)
    layers, width = int(SPACE.choices(row)[1]), int(embed)
    parts = [networks.product(LENGTH, width, VOCABULARY)]
    for heads, ratio in zip(rest[:layers], rest[12 : 12 + layers], strict=True):
        parts += networks.attention(LENGTH, LENGTH, width, width, width, int(heads))
        parts += [networks.product(LENGTH, width, int(ratio) * width)] * 2
        if rest[-1] == "on":
            parts.append((LENGTH * width, 8 * LENGTH * width, np.inf))
    return parts


def test_ten_measurements_rank_a_new_device():
    rng = np.random.default_rng(0)
    rows = SPACE.sample(250, rng)
    seconds = networks.simulated([work(row) for row in rows], 6, rng)
    assert networks.few_shot(SPACE, rows, seconds) >= 0.97


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_physics_column_is_its_sum_of_products(seed):
    rng = np.random.default_rng(seed)
    rows = SPACE.sample(40, rng)
    physics = SPACE.similarity().transfer[0]
    mapped = physics.fit(SPACE.encode(rows).astype(float), np.ones(40), rng)
    values = mapped(SPACE.encode(rows).astype(float))
    hidden = np.zeros(40)
    for number, row in enumerate(rows):
        embed, layers, *rest = SPACE.choices(row)
        ratios = rest[12 : 12 + int(layers)]
        hidden[number] = int(embed) * sum(map(int, ratios))
    correlations = [np.corrcoef(hidden, column)[0, 1] for column in values.T if column.std() > 0]
    assert max(correlations) > 1 - 1e-6


def test_importing_and_counting_needs_no_onnx():
    code = (
        "import sys; from hwprof.spaces.gpt import Gpt; "
        f"Gpt().costs({SMALL!r}); assert 'onnx' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
