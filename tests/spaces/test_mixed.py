"""A precision per layer: text, costs, models, and what runtimes do with these."""

import re

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.models.onnx.quantise import PRODUCTS
from hwprof.opcosts import flops, macs
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.pool import DevicePool
from hwprof.spaces.mixed import INT8, MixedPrecision
from hwprof.spaces.work import NAMES
from hwprof.testing.spaces import check_space
from tests.spaces import networks
from tests.spaces.tiny import Tiny

INNER = {
    "bert": "hidden=128 layers=3 heads=4,1,2 ffn=256,512,128",
    "fbnet": " ".join(["k3_e1", "k5_e6", "skip", "k3_e1_g2"] * 5 + ["k5_e3", "skip"]),
    "mobilenetv3": (
        "r=128 d1=2 k1=3,5 e1=4,3 d2=2 k2=3,5 e2=4,3 d3=2 k3=3,5 e3=4,3 "
        "d4=2 k4=3,5 e4=4,3 d5=2 k5=3,5 e5=4,3"
    ),
    "nasbench201": (
        "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|"
    ),
    "resnet50": (
        "r=128 stem=short w=0.65,0.65,0.65,0.65,0.65,0.65 d1=2 e1=0.2,0.2 d2=2 e2=0.2,0.2 "
        "d3=4 e3=0.2,0.2,0.2,0.2 d4=2 e4=0.2,0.2"
    ),
    "vit": (
        "r=128 w1=32 d1=1 b1=fused e1=2 w2=64 d2=2 b2=mb,attn4x16 e2=4,2 "
        "w3=128 d3=2 b3=mb,attn8x32 e3=3,4 w4=256 d4=1 b4=attn8x16 e4=2"
    ),
}
LENGTH = 8
"""Of sequences, where counts are not compared."""


def space_of(name):
    space = spaces.get(f"{name}+int8")
    assert isinstance(space, MixedPrecision)
    return space


def mixed(name, pattern=(0, 1)):
    """The architecture of a space with int8 in turns, and its layers in int8."""
    space = space_of(name)
    row = np.concatenate([space.space.row(INNER[name]), np.ones(len(space.layer_names), dtype=int)])
    layers = np.flatnonzero(space.row(row)[-len(space.layer_names) :])
    row[-len(space.layer_names) :] = 0
    chosen = [layer for i, layer in enumerate(layers) if pattern[i % len(pattern)]]
    row[np.array(chosen, dtype=int) + len(space.space.positions)] = 1
    return space, space.texts(row[None])[0], {space.layer_names[i] for i in chosen}


def products(model, space, layers):
    """Names of products in layers, and of those in none of them."""
    found = {True: set(), False: set()}
    for node in model.graph.node:
        if node.op_type in PRODUCTS:
            found[space.layer_of(node.name) in layers].add(node.name)
    return found[True], found[False]


def scope(node):
    """Where a node was written, which those that are fused with it share."""
    return re.sub(r"\.[A-Z][A-Za-z]*_\d+.*", "", node)


@pytest.mark.parametrize("name", ["bert", "fbnet", "nasbench201", "vit"])
def test_they_keep_the_laws(name):
    check_space(space_of(name), build=name in ("fbnet", "nasbench201"))


def test_a_name_ends_with_int8():
    assert space_of("fbnet") is spaces.get("fbnet+int8")
    assert space_of("fbnet").name == space_of("fbnet").similarity().name == "fbnet+int8"
    with pytest.raises(OptionError, match=r"unknown search space 'darts\+int8'; choose among bert"):
        spaces.get("darts+int8")
    with pytest.raises(OptionError, match="tiny does not say which nodes make a layer"):
        MixedPrecision(Tiny())


@pytest.mark.parametrize("name", INNER)
@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_text_is_the_inverse_of_rows(name, seed):
    space = space_of(name)
    rows = space.sample(3, np.random.default_rng(seed))
    texts = space.texts(rows)
    assert (space.indices(texts) == rows).all()
    assert [space.format(space.parse(text)) for text in texts] == texts


def test_layers_without_products_have_no_precision():
    space, text, _ = mixed("fbnet", (1,))
    # Of six skips the last one changes the shape, and is a convolution.
    assert text == INNER["fbnet"] + " p=" + ",".join(["int8"] * text.count("int8"))
    assert text.count("int8") == 22 - 5
    row = space.row(text)
    everywhere = row.copy()
    everywhere[22:] = 1
    assert (space.row(everywhere) == row).all()
    assert not space.row(row)[22:].all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (INNER["bert"], r"bert\+int8 ends with p= and a precision per layer, but this ends with"),
        (f"{INNER['bert']} p=int8,fp32", r"2 precisions, but .* 3 layers with products \(layer1,"),
        (f"{INNER['bert']} p=int8,fp32,fp16", "'fp16' at layer3; choose among fp32, int8"),
        ("hidden=1 p=int8", "lacks layers="),
    ],
)
def test_other_texts_are_refused(text, message):
    with pytest.raises(OptionError, match=message):
        space_of("bert").parse(text)


@pytest.mark.parametrize("name", INNER)
def test_costs_are_those_of_the_network_but_for_what_is_stored(name):
    space, text, int8 = mixed(name)
    plain, costs = space.space.costs(INNER[name]), space.costs(text)
    assert (costs.flops, costs.parameters) == (plain.flops, plain.parameters)
    kernels = networks.kernels_of(space.space.build(INNER[name]))
    names = [node.name for node in space.space.build(INNER[name]).graph.node]
    stored, work, macs_of = (
        plain.activation_bytes,
        dict(zip(NAMES, plain.work.numbers, strict=True)),
        0,
    )
    for kernel, node in zip(kernels, names, strict=True):
        if kernel.op in PRODUCTS and space.layer_of(node) in int8:
            left, right, *biases = (tensor.elements for tensor in kernel.inputs)
            written, moved = kernel.outputs[0].elements, sum(biases)
            stored -= 3 * written
            before, after = 4 * (left + right + moved + written), left + right + written + 4 * moved
            work["traffic"] += after - before
            for balance in (2, 4, 8):
                size = macs(kernel)
                key = f"roofline_{balance}"
                work[key] += max(size, balance * after) - max(size, balance * before)
            macs_of += macs(kernel)
    assert costs.activation_bytes == stored < plain.activation_bytes
    assert dict(zip(NAMES, costs.work.numbers, strict=True)) == work
    machines = dict(zip(space.analytic_names, space.analytic([text])[0], strict=True))
    assert sum(machines.get(machine, 0) for machine in INT8) == macs_of > 0


@pytest.mark.parametrize("name", INNER)
def test_all_in_fp32_is_the_other_space(name):
    space, text, int8 = mixed(name, (0,))
    assert not int8
    assert space.costs(text) == space.space.costs(INNER[name])
    assert space.build(text) == space.space.build(INNER[name])


@pytest.mark.parametrize("name", ["bert", "fbnet", "vit"])
def test_the_model_multiplies_as_much_as_the_network(name):
    space, text, _ = mixed(name)
    onnx.checker.check_model(space.build(text), full_check=True)
    kernels = networks.kernels_of(space.build(text))
    plain = networks.kernels_of(space.space.build(INNER[name]))
    assert sum(map(macs, kernels)) == sum(map(macs, plain))
    quantising = ("QuantizeLinear", "DequantizeLinear")
    counted = sum(flops(k) for k in kernels if k.op not in quantising)
    # Folded normalisations are gone from the model, and not from the costs.
    folded = sum(flops(k) for k in plain if k.op == "BatchNormalization")
    folded -= sum(flops(k) for k in kernels if k.op == "BatchNormalization")
    biases = sum(1 for k in plain if k.op == "Conv" and len(k.inputs) == 2)
    assert biases or not folded
    left = space.costs(text).flops - folded
    added = sum(k.outputs[0].elements for k in kernels if k.op == "Conv" and len(k.inputs) == 3)
    added -= sum(k.outputs[0].elements for k in plain if k.op == "Conv" and len(k.inputs) == 3)
    assert counted - left in (0, added)


@pytest.mark.parametrize("name", INNER)
def test_onnxruntime_runs_layers_in_int8_and_no_others(name, tmp_path):
    space, text, int8 = mixed(name)
    model = space.build(text, resolution=LENGTH if name == "bert" else None)
    wanted, others = products(model, space, int8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    graph = onnx.load(tmp_path / "optimised.onnx").graph
    quantised = [node for node in graph.node if node.op_type in ("QLinearConv", "QLinearMatMul")]
    # Those in another layout are made anew and numbered.
    run = {re.sub(r"_token_\d+$", "", node.name) for node in quantised}
    assert run == wanted
    assert wanted
    floats = ("Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul", "FusedMatMul")
    left = [node for node in graph.node if node.op_type in floats]
    assert left
    assert len(left) <= len(others)
    assert not [node.name for node in left if space.layer_of(node.name) in int8]


@pytest.mark.runtimes
@pytest.mark.parametrize("name", INNER)
def test_openvino_runs_layers_in_int8_and_no_others(name):
    openvino = pytest.importorskip("openvino")
    space, text, int8 = mixed(name)
    model = space.build(text, resolution=LENGTH if name == "bert" else None)
    wanted, others = products(model, space, int8)
    core = openvino.Core()
    compiled = core.compile_model(
        core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    found, counted = {"f32": set(), "i8": set(), "u8": set()}, 0
    for node in compiled.get_runtime_model().get_ordered_ops():
        info = {key: str(value.astype(str)) for key, value in node.get_rt_info().items()}
        names = info.get("originalLayersNames", "").split(",")
        fused = info["layerType"] == "Subgraph" and any("MatMul" in name for name in names)
        if fused and info["primitiveType"].endswith(("_I8", "_f32")):
            continue  # element by element, in front of a product or behind it
        if fused or info["layerType"] in ("Convolution", "FullyConnected", "MatMul"):
            found[info["runtimePrecision"]] |= set(map(scope, names))
        counted += (info["layerType"], info["runtimePrecision"]) == ("Convolution", "u8")
    assert {*map(scope, wanted)} <= found["i8"] | found["u8"]
    assert not {*map(scope, others)} & (found["i8"] | found["u8"])
    assert {*map(scope, others)} & found["f32"]
    convolutions = [node.name for node in model.graph.node if node.op_type == "Conv"]
    assert counted == len(wanted.intersection(convolutions))


@pytest.mark.parametrize("name", INNER)
def test_outputs_are_close_to_those_in_fp32(name):
    space, text, _ = mixed(name, (1,))
    size = LENGTH if name == "bert" else None
    plain, quantised = space.space.build(INNER[name], resolution=size), space.build(text, 1, size)
    rng = np.random.default_rng(0)
    feed = {
        given.name: rng.random(given.shape, dtype=np.float32)
        if given.type == "tensor(float)"
        else rng.integers(0, 2, given.shape)
        for given in networks.session(plain).get_inputs()
    }
    one, other = (networks.session(m).run(None, feed)[0].ravel() for m in (plain, quantised))
    # Not the same, which it would be if nothing were in int8, and nothing saturated either.
    assert 0.97 < np.corrcoef(one, other)[0, 1] < 1 - 1e-9
    assert 0.5 < other.std() / one.std() < 2


def test_the_same_architecture_is_the_same_model():
    space, text, _ = mixed("vit")
    one, other = (space.build(text).SerializeToString(deterministic=True) for _ in range(2))
    assert one == other


def seconds_of(space, rows, rng, devices):
    """Simulated devices that are up to eight times as fast in int8, or slower than in fp32."""
    table = dict(zip(space.analytic_names, space.analytic(rows).T, strict=True))
    columns = []
    for _ in range(devices):
        speed, moving = 10 ** rng.uniform(9.5, 11), 10 ** rng.uniform(9.5, 10.5)
        faster = 2 ** rng.uniform(-0.5, 3)
        products = table["arithmetic"] + 3 * table["depthwise"]
        int8 = table["int8_arithmetic"] + 3 * table["int8_depthwise"]
        started = table["operators"] * 10 ** rng.uniform(-6.5, -5)
        columns.append(
            (products - int8 + int8 / faster) / speed + table["traffic"] / moving + started
        )
    clean = np.array(columns).T
    return clean * np.exp(0.02 * rng.standard_normal(clean.shape))


def test_ten_measurements_rank_a_new_device():
    rng = np.random.default_rng(0)
    space = space_of("fbnet")
    rows = space.sample(300, rng)
    seconds = seconds_of(space, rows, rng, 7)
    assert networks.few_shot(space, rows, seconds) >= 0.97


def test_a_predictor_is_stored_and_read_again(tmp_path):
    rng = np.random.default_rng(1)
    space = space_of("bert")
    rows = space.sample(120, rng)
    machines = space.analytic(rows)
    seconds = machines[:, :3] / machines[:, :3].mean(axis=0)
    pool = DevicePool(space.encode(rows), seconds, ["a", "b", "c"])
    fitted = FewShotPredictor.fit(pool, similarity=space.similarity())
    adapted = fitted.adapt(np.arange(10), seconds[:10, 0])
    adapted.save(tmp_path / "predictor.safetensors")
    again = type(adapted).load(tmp_path / "predictor.safetensors")
    features = space.encode(rows[10:20])
    np.testing.assert_allclose(again.predict(features).mean_s, adapted.predict(features).mean_s)
