"""The BERT space: text, costs, models and kernels."""

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
from hwprof.spaces.bert import HEAD, LENGTH, VOCABULARY, Bert
from hwprof.testing.spaces import check_space
from tests.spaces import networks

SPACE = Bert()
SMALL = "hidden=128 layers=3 heads=4,1,2 ffn=256,512,128"
DEEP = "hidden=256 layers=4 heads=2,8,1,12 ffn=3072,128,1024,768"


def base(hidden, layers, heads, ffn):
    return (
        f"hidden={hidden} layers={layers} heads={','.join([str(heads)] * layers)} "
        f"ffn={','.join([str(ffn)] * layers)}"
    )


@pytest.fixture(scope="module")
def running():
    return networks.session(SPACE.build(SMALL, batch=2, resolution=9))


def test_it_keeps_the_laws():
    check_space(SPACE, build=False)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        (base(768, 12, 12, 3072), 109_482_240),  # BERT base without case
        (base(128, 2, 2, 512), 4_385_920),  # BERT tiny (Turc et al., 2019)
        (base(256, 4, 4, 1024), 11_170_560),  # BERT mini
    ],
)
def test_published_models_have_their_parameters(text, parameters):
    assert SPACE.costs(text).parameters == parameters


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
    full[[names.index("layer4.heads"), names.index("layer12.ffn")]] = 2
    assert (SPACE.indices([full])[0] == row).all()
    assert SPACE.costs(full) == SPACE.costs(SMALL)
    assert SPACE.texts([full]) == [SMALL]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"lacks hidden=; give hidden=, layers=, heads=, ffn="),
        (SMALL.replace("hidden=128", "hidden=100"), "'100' at hidden; choose among 128"),
        (SMALL.replace("heads=4,1", "heads=4,5"), "'5' at layer2.heads; choose among 1, 2, 3"),
        (SMALL.replace("layers=3", "layers=4"), "3 values but with layers=4 takes 4 values"),
    ],
)
def test_other_texts_are_refused(text, message):
    with pytest.raises(OptionError, match=message):
        SPACE.parse(text)


def test_other_lengths_are_refused():
    with pytest.raises(OptionError, match="from 1 to 512, but is 513"):
        SPACE.build(SMALL, resolution=513)


@pytest.mark.parametrize("text", [SMALL, DEEP])
def test_costs_are_those_of_the_model(text):
    model, costs = SPACE.build(text), SPACE.costs(text)
    onnx.checker.check_model(model, full_check=True)
    assert {("", node.op_type) for node in model.graph.node} <= known_operators()
    kernels = networks.kernels_of(model)
    assert costs.flops == sum(flops(kernel) for kernel in kernels)
    assert costs.activation_bytes == sum(bytes_moved(kernel).out for kernel in kernels)
    assert networks.told(costs.work) == networks.work_of(kernels)
    assert costs.parameters == networks.learned(model)


def test_nodes_tell_their_layer():
    layers = {SPACE.layer_of(node.name) for node in SPACE.build(SMALL, resolution=4).graph.node}
    assert layers == {"", "layer1", "layer2", "layer3"}
    assert SPACE.layer_of("layer12.ffn.up.MatMul_3") == "layer12"


def test_masked_tokens_do_not_matter_and_others_do(running):
    tokens = np.random.default_rng(0).integers(0, VOCABULARY, (2, 9))
    mask = np.ones((2, 9), dtype=np.int64)
    mask[0, 6:] = 0
    changed = tokens.copy()
    changed[:, 7] = (tokens[:, 7] + 1) % VOCABULARY
    (one,), (other,) = (
        running.run(None, {"tokens": t, "attention_mask": mask}) for t in (tokens, changed)
    )
    assert one.shape == (2, 128)
    np.testing.assert_allclose(one[0], other[0], atol=1e-5)
    assert np.abs(one[1] - other[1]).max() > 1e-4


class Layer(nn.Module):
    """An independent layer, by the modules of torch."""

    def __init__(self, width, heads, hidden):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * HEAD * heads)
        self.out, self.norm1 = nn.Linear(HEAD * heads, width), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, x, mask):
        b, t, _ = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, self.heads, HEAD).permute(2, 0, 3, 1, 4)
        # Written out, because torch counts no FLOPs of its fused attention on a CPU.
        scores = (q @ k.mT / HEAD**0.5).masked_fill(mask[:, None, None] == 0, -1e4)
        y = (scores.softmax(dim=-1) @ v).transpose(1, 2).flatten(2)
        x = self.norm1(x + self.out(y))
        return self.norm2(x + self.down(nn.functional.gelu(self.up(x))))


class Reference(nn.Module):
    """An independent BERT."""

    def __init__(self, width, heads, hidden):
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, width)
        self.positions, self.types = nn.Embedding(512, width), nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(map(Layer, [width] * len(heads), heads, hidden))
        self.pooler = nn.Linear(width, width)

    def forward(self, tokens, mask):
        x = self.words(tokens) + self.positions(torch.arange(tokens.shape[1]))
        x = self.norm(x + self.types(torch.zeros_like(tokens)))
        for layer in self.layers:
            x = layer(x, mask)
        return self.pooler(x[:, 0]).tanh()


def reference():
    return Reference(128, [4, 1, 2], [256, 512, 128]).eval()


def test_torch_counts_the_same():
    network, tokens = reference(), torch.zeros((1, LENGTH), dtype=torch.int64)
    assert sum(p.numel() for p in network.parameters()) == SPACE.costs(SMALL).parameters
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(tokens, torch.ones_like(tokens))
    products = sum(2 * macs(kernel) for kernel in networks.kernels_of(SPACE.build(SMALL)))
    assert counter.get_total_flops() == products


def test_torch_computes_the_same():
    model = SPACE.build(SMALL, resolution=7)
    weights = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    state = {f"{n}.weight": weights[f"embedding.{n}"] for n in ("words", "positions", "types")}
    linear = {"pooler": "pooler"}
    norms = {"norm": "embedding.norm"}
    for number in range(3):
        theirs, ours = f"layers.{number}", f"layer{number + 1}"
        linear |= {f"{theirs}.{p}": f"{ours}.attention.{p}" for p in ("qkv", "out")}
        linear |= {f"{theirs}.{p}": f"{ours}.ffn.{p}" for p in ("up", "down")}
        norms |= {f"{theirs}.{p}": f"{ours}.{p}" for p in ("norm1", "norm2")}
    for theirs, ours in linear.items():
        state |= {f"{theirs}.weight": weights[f"{ours}.weight"].T}
        state |= {f"{theirs}.bias": weights[f"{ours}.bias"]}
    for theirs, ours in norms.items():
        state |= {f"{theirs}.weight": weights[f"{ours}.scale"]}
        state |= {f"{theirs}.bias": weights[f"{ours}.shift"]}
    network = reference()
    network.load_state_dict({k: torch.tensor(v.copy()) for k, v in state.items()})
    tokens = np.random.default_rng(2).integers(0, VOCABULARY, (1, 7))
    mask = np.array([[1, 1, 1, 1, 1, 0, 0]])
    feed = {"tokens": tokens, "attention_mask": mask}
    (found,) = networks.session(model).run(None, feed)
    with torch.no_grad():
        expected = network(torch.tensor(tokens), torch.tensor(mask)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def work(row):
    """Operations of an architecture, for simulated devices."""
    hidden, layers, *rest = map(int, SPACE.choices(row))
    parts = []
    for heads, ffn in zip(rest[:layers], rest[12 : 12 + layers], strict=True):
        parts += networks.attention(LENGTH, LENGTH, hidden, hidden, HEAD * heads, heads)
        parts += [networks.product(LENGTH, hidden, ffn)] * 2
    return parts


def test_ten_measurements_rank_a_new_device():
    rng = np.random.default_rng(0)
    rows = SPACE.sample(250, rng)
    seconds = networks.simulated([work(row) for row in rows], 6, rng)
    assert networks.few_shot(SPACE, rows, seconds) >= 0.97


@pytest.mark.runtimes
@pytest.mark.parametrize("batch", [1, 2])
def test_openvino_computes_what_onnxruntime_does(batch):
    openvino = pytest.importorskip("openvino")
    model = SPACE.build(SMALL, batch, resolution=8)
    rng = np.random.default_rng(3)
    feed = {
        "tokens": rng.integers(0, VOCABULARY, (batch, 8)),
        "attention_mask": np.ones((batch, 8), dtype=np.int64),
    }
    (expected,) = networks.session(model).run(None, feed)
    compiled = openvino.compile_model(
        openvino.Core().read_model(model.SerializeToString()),
        "CPU",
        {"INFERENCE_PRECISION_HINT": "f32"},
    )
    np.testing.assert_allclose(compiled(feed)[0], expected, rtol=1e-2, atol=1e-3)
