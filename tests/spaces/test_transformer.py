"""The HAT space: text, costs, models and kernels."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hwprof.errors import OptionError
from hwprof.opcosts import bytes_moved, flops, known_operators, macs
from hwprof.spaces.transformer import LENGTH, QKV, VOCABULARY, Transformer
from tests.spaces import networks

SPACE = Transformer()
SMALL = (
    "encoder=640 encoder-ffn=1024,2048,1024,1024,3072,1024 encoder-heads=4,8,4,8,8,4 "
    "decoder=512 decoder-layers=3 decoder-ffn=1024,2048,1024 decoder-heads=4,8,8 "
    "cross-heads=8,4,8 cross-layers=1,3,2"
)
EQUAL = SMALL.replace("encoder=640", "encoder=512")
SLICED = EQUAL.replace("decoder=512", "decoder=640")


@pytest.fixture(scope="module")
def model():
    return SPACE.build(SMALL)


@pytest.fixture(scope="module")
def running():
    return networks.session(SPACE.build(SMALL, batch=2, resolution=6))


def test_the_base_transformer_has_the_parameters_of_torchs():
    six = ",".join
    text = (
        f"encoder=512 encoder-ffn={six(['2048'] * 6)} encoder-heads={six('888888')} "
        f"decoder=512 decoder-layers=6 decoder-ffn={six(['2048'] * 6)} "
        f"decoder-heads={six('888888')} cross-heads={six('888888')} cross-layers={six('111111')}"
    )
    stacks = sum(p.numel() for p in nn.Transformer(batch_first=True).parameters())
    # Torch normalises once more after each stack, and has no embeddings.
    assert SPACE.costs(text).parameters == stacks - 2 * 2 * 512 + VOCABULARY * 512 == 60_915_712


@given(st.integers(0, 2**32 - 1))
def test_text_is_the_inverse_of_rows(seed):
    rows = SPACE.sample(3, np.random.default_rng(seed))
    texts = SPACE.texts(rows)
    assert (SPACE.indices(texts) == rows).all()
    assert [SPACE.format(SPACE.parse(text)) for text in texts] == texts


def test_layers_past_the_depth_hold_choice_zero():
    row = SPACE.indices([SMALL])[0]
    names = [position.name for position in SPACE.positions]
    full = row.copy()
    for what in ("layer4.ffn", "layer5.heads", "layer6.cross_heads", "layer4.cross_layers"):
        full[names.index(f"decoder.{what}")] = 1
    assert (SPACE.indices([full])[0] == row).all()
    assert SPACE.costs(full) == SPACE.costs(SMALL)
    assert SPACE.texts([full]) == [SMALL]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks encoder=; give encoder=, encoder-ffn="),
        (SMALL.replace("cross-layers=1,3,2", ""), "lacks cross-layers="),
        (SMALL + " encoder=512", "encoder= of transformer stands twice, in 'encoder=512'"),
        (SMALL + " qkv=512", "has no field 'qkv=512'; give encoder="),
        (SMALL.replace("encoder=640", "encoder=768"), "'768' at encoder.embed; choose among 512"),
        (SMALL.replace("heads=4,8,8", "heads=4,2,8"), "'2' at decoder.layer2.heads; choose among"),
        (SMALL.replace("cross-layers=1,3", "cross-layers=1,4"), "choose among 1, 2, 3"),
        (SMALL.replace("layers=3", "layers=4"), "3 values but with decoder-layers=4 takes 4"),
        (SMALL.replace("layers=3", "layers=0"), "choose among 1, 2, 3, 4, 5, 6"),
        (SMALL.replace("encoder-ffn=1024,", "encoder-ffn="), "5 values but takes 6 values"),
    ],
)
def test_other_texts_are_refused(text, message):
    with pytest.raises(OptionError, match=message):
        SPACE.parse(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": -1}, "batch must be a whole number from 1"),
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
    assert [t.name for t in model.graph.input] == ["source", "target"]
    for tensor, width in ((model.graph.input[1], ()), (model.graph.output[0], (VOCABULARY,))):
        shape = tuple(d.dim_value for d in tensor.type.tensor_type.shape.dim)
        assert shape == (1, LENGTH, *width)


@pytest.mark.parametrize("text", [SMALL, EQUAL, SLICED])
def test_costs_are_those_of_the_model(text):
    model, costs = SPACE.build(text), SPACE.costs(text)
    kernels = networks.kernels_of(model)
    assert costs.flops == sum(flops(kernel) for kernel in kernels)
    assert costs.activation_bytes == sum(bytes_moved(kernel).out for kernel in kernels)
    assert networks.told(costs.work) == networks.work_of(kernels)
    assert costs.parameters == networks.learned(model)


def test_target_tokens_see_what_came_before_and_the_whole_source(running):
    rng = np.random.default_rng(1)
    source, target = rng.integers(0, VOCABULARY, (2, 2, 6))
    (logits,) = running.run(None, {"source": source, "target": target})
    assert logits.shape == (2, 6, VOCABULARY)
    assert np.isfinite(logits).all()
    later = target.copy()
    later[:, 4] = (target[:, 4] + 1) % VOCABULARY
    (other,) = running.run(None, {"source": source, "target": later})
    np.testing.assert_allclose(logits[:, :4], other[:, :4], atol=1e-4)
    assert (np.abs(logits[:, 4:] - other[:, 4:]).max(axis=2) > 1e-3).all()
    changed = source.copy()
    changed[:, 5] = (source[:, 5] + 1) % VOCABULARY
    (moved,) = running.run(None, {"source": changed, "target": target})
    assert (np.abs(logits - moved).max(axis=2) > 1e-5).all()


class Attention(nn.Module):
    """An independent attention: x attends to a memory."""

    def __init__(self, width, memory, heads):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, QKV)
        self.key, self.value = nn.Linear(memory, QKV), nn.Linear(memory, QKV)
        self.out = nn.Linear(QKV, width)

    def forward(self, x, memory, mask):
        def apart(y):
            return y.view(*y.shape[:2], self.heads, -1).transpose(1, 2)

        q, k, v = apart(self.query(x)), apart(self.key(memory)), apart(self.value(memory))
        scores = q @ k.mT / q.shape[-1] ** 0.5 + mask
        return self.out((scores.softmax(dim=-1) @ v).transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """An independent layer; a decoder's if it has heads for the memory."""

    def __init__(self, width, hidden, heads, memory=0, cross_heads=0):
        super().__init__()
        self.own, self.norm1 = Attention(width, width, heads), nn.LayerNorm(width)
        if cross_heads:
            self.cross, self.norm2 = Attention(width, memory, cross_heads), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.norm_ffn = nn.LayerNorm(width)

    def forward(self, x, mask, memory=None):
        x = self.norm1(x + self.own(x, x, mask))
        if memory is not None:
            x = self.norm2(x + self.cross(x, memory, torch.zeros(())))
        return self.norm_ffn(x + self.down(self.up(x).relu()))


class Reference(nn.Module):
    """The architecture SMALL, independently; the decoder takes the first 512 columns."""

    reach = (1, 3, 2)

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 640)
        hidden = (1024, 2048, 1024, 1024, 3072, 1024)
        encoder = zip(hidden, (4, 8, 4, 8, 8, 4), strict=True)
        self.encoder = nn.ModuleList(Layer(640, ffn, heads) for ffn, heads in encoder)
        decoder = zip(hidden[:3], (4, 8, 8), (8, 4, 8), strict=True)
        self.decoder = nn.ModuleList(Layer(512, f, own, 640, cross) for f, own, cross in decoder)

    def placed(self, tokens, width):
        rank = torch.arange(width // 2) / (width // 2 - 1)
        angles = torch.arange(tokens.shape[1])[:, None] / 10_000**rank
        sinusoids = torch.cat([angles.sin(), angles.cos()], dim=1)
        return self.embedding(tokens)[..., :width] * width**0.5 + sinusoids

    def forward(self, source, target):
        x, outputs = self.placed(source, 640), []
        for layer in self.encoder:
            x = layer(x, torch.zeros(()))
            outputs.insert(0, x)
        x = self.placed(target, 512)
        mask = torch.full((target.shape[1],) * 2, -torch.inf).triu(1)
        for layer, reach in zip(self.decoder, self.reach, strict=True):
            x = layer(x, mask, torch.cat(outputs[:reach], dim=1))
        return x @ self.embedding.weight[:, :512].T


def test_torch_counts_the_same(model):
    reference = Reference().eval()
    assert sum(p.numel() for p in reference.parameters()) == SPACE.costs(SMALL).parameters
    tokens = torch.zeros((1, LENGTH), dtype=torch.int64)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        reference(tokens, tokens)
    products = sum(2 * macs(kernel) for kernel in networks.kernels_of(model))
    assert counter.get_total_flops() == products


def test_torch_computes_the_same():
    model = SPACE.build(SMALL, resolution=5)
    weights = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    tables = [weights["embedding"], weights["embedding.more"]]
    state = {"embedding.weight": np.concatenate(tables, axis=1)}

    def linear(theirs, ours, columns=slice(None)):
        state[f"{theirs}.weight"] = weights[f"{ours}.weight"][:, columns].T
        state[f"{theirs}.bias"] = weights[f"{ours}.bias"][columns]

    for side, layers in (("encoder", 6), ("decoder", 3)):
        for number in range(layers):
            theirs, ours = f"{side}.{number}", f"{side}.layer{number + 1}"
            for i, part in enumerate(("query", "key", "value")):
                columns = slice(QKV * i, QKV * (i + 1))
                linear(f"{theirs}.own.{part}", f"{ours}.attention.qkv", columns)
                if side == "decoder":
                    linear(f"{theirs}.cross.{part}", f"{ours}.cross.{part}")
            linear(f"{theirs}.own.out", f"{ours}.attention.out")
            if side == "decoder":
                linear(f"{theirs}.cross.out", f"{ours}.cross.out")
            linear(f"{theirs}.up", f"{ours}.ffn.up")
            linear(f"{theirs}.down", f"{ours}.ffn.down")
            for norm in ("norm1", "norm2", "norm_ffn"):
                if side == "decoder" or norm != "norm2":
                    state[f"{theirs}.{norm}.weight"] = weights[f"{ours}.{norm}.scale"]
                    state[f"{theirs}.{norm}.bias"] = weights[f"{ours}.{norm}.shift"]
    reference = Reference().eval()
    reference.load_state_dict({k: torch.tensor(v.copy()) for k, v in state.items()})
    source, target = np.random.default_rng(2).integers(0, VOCABULARY, (2, 1, 5))
    (logits,) = networks.session(model).run(None, {"source": source, "target": target})
    with torch.no_grad():
        expected = reference(torch.tensor(source), torch.tensor(target)).numpy()
    np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-3)


def work(row):
    """Operations of an architecture, for simulated devices."""
    chosen = dict(zip((p.name for p in SPACE.positions), map(int, SPACE.choices(row)), strict=True))
    outer, inner = chosen["encoder.embed"], chosen["decoder.embed"]
    parts = [networks.product(LENGTH, inner, VOCABULARY)]
    for number in range(1, 7):
        layer = f"encoder.layer{number}"
        parts += networks.attention(LENGTH, LENGTH, outer, outer, QKV, chosen[f"{layer}.heads"])
        parts += [networks.product(LENGTH, outer, chosen[f"{layer}.ffn"])] * 2
    for number in range(1, chosen["decoder.layers"] + 1):
        layer = f"decoder.layer{number}"
        keys = LENGTH * chosen[f"{layer}.cross_layers"]
        cross = chosen[f"{layer}.cross_heads"]
        parts += networks.attention(LENGTH, LENGTH, inner, inner, QKV, chosen[f"{layer}.heads"])
        parts += networks.attention(LENGTH, keys, inner, outer, QKV, cross)
        parts += [networks.product(LENGTH, inner, chosen[f"{layer}.ffn"])] * 2
    return parts


def test_ten_measurements_rank_a_new_device():
    rng = np.random.default_rng(0)
    rows = SPACE.sample(250, rng)
    seconds = networks.simulated([work(row) for row in rows], 6, rng)
    assert networks.few_shot(SPACE, rows, seconds) >= 0.95


def test_importing_and_counting_needs_no_onnx():
    code = (
        "import sys; from hwprof.spaces.transformer import Transformer; "
        f"Transformer().costs({SMALL!r}); assert 'onnx' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
