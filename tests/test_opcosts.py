"""Operator costs against hand counts, published figures and each other."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from hwprof.graph import Kernel, TensorSpec
from hwprof.opcosts import Bytes, bytes_moved, flops, known_operators, macs
from tests.source_kernels import source_kernels

MS, NCHWC = "com.microsoft", "com.microsoft.nchwc"


def tensor(*shape: int, dtype: str = "float32", constant: bool = False) -> TensorSpec:
    return TensorSpec("t", dtype, shape, constant)


def weight(*shape: int, dtype: str = "float32") -> TensorSpec:
    return tensor(*shape, dtype=dtype, constant=True)


def kernel(
    op: str,
    inputs: list[TensorSpec | None],
    out: TensorSpec,
    domain: str = "",
    **attributes: object,
) -> Kernel:
    texts = {name: str(value) for name, value in attributes.items()}
    return Kernel(domain, op, texts, tuple(inputs), (out,))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        # Convolutions and fully connected layers at 224 x 224; multiply-accumulates.
        ("resnet50", 4_089_184_256),
        ("vgg19", 19_632_062_464),
        ("squeezenet", 349_151_936),
        ("densenet121", 2_834_161_664),
        ("bvlc_alexnet", 654_560_384),
        ("shufflenet", 124_664_528),
    ],
)
def test_known_models(light: Path, model: str, expected: int) -> None:
    kernels = source_kernels(light / f"light_{model}.onnx")
    assert sum(macs(k) or 0 for k in kernels.values()) == expected


def test_alexnet_by_hand(light: Path) -> None:
    kernels = source_kernels(light / "light_bvlc_alexnet.onnx").values()
    counted = [macs(k) for k in kernels if k.op in ("Conv", "Gemm")]
    assert counted == [
        96 * 54 * 54 * 3 * 11 * 11,
        256 * 26 * 26 * 48 * 5 * 5,  # two groups
        384 * 12 * 12 * 256 * 3 * 3,
        384 * 12 * 12 * 192 * 3 * 3,
        256 * 12 * 12 * 192 * 3 * 3,
        9216 * 4096,
        4096 * 4096,
        4096 * 1000,
    ]


def test_every_operator_of_the_light_models_is_known(light: Path) -> None:
    for path in light.glob("*.onnx"):
        unknown = {k.op for k in source_kernels(path).values() if flops(k) is None}
        assert not unknown, path.name


def test_convolution_with_everything_fused() -> None:
    x, w, out = tensor(1, 16, 8, 8), weight(32, 16, 3, 3), tensor(1, 32, 8, 8)
    plain = kernel("Conv", [x, w, weight(32)], out)
    assert macs(plain) == 32 * 64 * 16 * 9
    assert flops(plain) == 2 * 32 * 64 * 16 * 9  # the bias starts the accumulator
    fused = kernel("FusedConv", [x, w, weight(32), out], out, MS, activation="Relu")
    assert macs(fused) == macs(plain)
    assert flops(fused) == 2 * 32 * 64 * 16 * 9 + 32 * 64 + 32 * 64
    assert flops(kernel("FusedConv", [x, w], out, MS, activation="Novel")) is None
    assert bytes_moved(fused) == Bytes(
        activation_in=4 * (16 * 64 + 32 * 64), weights=4 * (32 * 16 * 9 + 32), out=4 * 32 * 64
    )


def test_padded_channels_of_the_blocked_layout_are_counted() -> None:
    x, out = tensor(1, 512, 13, 13), tensor(1, 1008, 13, 13)
    padded = kernel("Conv", [x, weight(1008, 512, 1, 1)], out, NCHWC)
    assert macs(padded) == 1008 * 512 * 169  # the layer itself has 1000 channels


def test_depthwise_and_transposed_convolution() -> None:
    depthwise = kernel("Conv", [tensor(1, 8, 6, 6), weight(8, 1, 3, 3)], tensor(1, 8, 6, 6))
    assert macs(depthwise) == 8 * 36 * 9
    upwards = kernel(
        "ConvTranspose", [tensor(1, 8, 6, 6), weight(8, 4, 2, 2)], tensor(1, 4, 12, 12)
    )
    assert macs(upwards) == 8 * 36 * 4 * 4


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (kernel("Gemm", [tensor(3, 5), weight(5, 7)], tensor(3, 7)), 105),
        (kernel("Gemm", [tensor(5, 3), weight(7, 5)], tensor(3, 7), transA=1, transB=1), 105),
        (kernel("FusedGemm", [tensor(3, 5), weight(5, 7)], tensor(3, 7), MS), 105),
        (kernel("MatMul", [tensor(2, 3, 5), tensor(2, 5, 7)], tensor(2, 3, 7)), 210),
        (kernel("MatMul", [tensor(5), tensor(5, 7)], tensor(7)), 35),
        (
            kernel("FusedMatMul", [tensor(2, 5, 3), tensor(5, 7)], tensor(2, 3, 7), MS, transA=1),
            210,
        ),
        (kernel("MatMulNBits", [tensor(3, 64), weight(7, 2, 16)], tensor(3, 7), MS), 3 * 64 * 7),
        (
            kernel(
                "Einsum",
                [tensor(2, 3, 5), tensor(2, 7, 5)],
                tensor(2, 3, 7),
                equation="bij,bkj->bik",
            ),
            210,
        ),
        (
            kernel(
                "QLinearConv",
                [tensor(1, 4, 5, 5, dtype="uint8"), None, None, weight(6, 4, 1, 1, dtype="uint8")],
                tensor(1, 6, 5, 5, dtype="uint8"),
            ),
            600,
        ),
    ],
)
def test_products(made: Kernel, expected: int) -> None:
    assert macs(made) == expected


def test_recurrences() -> None:
    x = tensor(10, 2, 6)  # length, batch, input
    lstm = kernel("LSTM", [x, weight(1, 16, 6), weight(1, 16, 4)], tensor(10, 1, 2, 4))
    assert macs(lstm) == 10 * 2 * 4 * (6 * 4 + 4 * 4)
    both = kernel("GRU", [x, weight(2, 12, 6), weight(2, 12, 4)], tensor(10, 2, 2, 4))
    assert macs(both) == 10 * 2 * 2 * 3 * (6 * 4 + 4 * 4)
    with pytest.raises(ValueError, match="do not fit"):
        flops(kernel("GRU", [x, weight(1, 16, 6), weight(1, 16, 4)], tensor(10, 1, 2, 4)))


def test_attention_is_the_sum_of_its_products() -> None:
    batch, length, width, heads = 2, 10, 12, 3
    x = tensor(batch, length, width)
    scores = batch * heads * length * length
    inner = scores * (4 + 4)
    packed = kernel(
        "Attention", [x, weight(width, 3 * width), weight(3 * width)], x, MS, num_heads=heads
    )
    assert macs(packed) == batch * length * width * 3 * width + inner
    assert flops(packed) == 2 * (batch * length * width * 3 * width + inner) + 6 * scores
    apart = kernel("MultiHeadAttention", [x, x, x], x, MS, num_heads=heads)
    assert macs(apart) == inner
    together = tensor(batch, length, heads, 3, 4)
    assert macs(kernel("MultiHeadAttention", [together], x, MS, num_heads=heads)) == inner
    four = tensor(batch, heads, length, 4)
    assert macs(kernel("Attention", [four, four, four], four)) == inner
    assert macs(kernel("Attention", [x, x, x], x, q_num_heads=3, kv_num_heads=3)) == inner
    past = tensor(batch, heads, 5, 4)
    cached = kernel("Attention", [four, four, four, None, past, past], four)
    assert macs(cached) == batch * heads * length * 15 * 8


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (kernel("Relu", [tensor(2, 3)], tensor(2, 3)), 6),
        (kernel("Clip", [tensor(2, 3)], tensor(2, 3)), 12),
        (kernel("Sum", [tensor(2, 3)] * 3, tensor(2, 3)), 12),
        (kernel("Mean", [tensor(2, 3)] * 3, tensor(2, 3)), 18),
        (kernel("ReduceMean", [tensor(2, 3)], tensor(2, 1)), 6),
        (kernel("GlobalAveragePool", [tensor(1, 2, 3, 3)], tensor(1, 2, 1, 1)), 18),
        (kernel("MaxPool", [tensor(1, 2, 6, 6)], tensor(1, 2, 3, 3), kernel_shape="2,2"), 72),
        (kernel("LRN", [tensor(1, 2)], tensor(1, 2), size=5), 28),
        (kernel("Resize", [tensor(1, 1, 2, 2)], tensor(1, 1, 4, 4), mode="nearest"), 0),
        (kernel("Resize", [tensor(1, 1, 2, 2)], tensor(1, 1, 4, 4), mode="linear"), 16 * 8),
        (kernel("SkipLayerNormalization", [tensor(2, 3)] * 3, tensor(2, 3), MS), 48),
        (kernel("Concat", [tensor(2, 3)] * 2, tensor(4, 3)), 0),
        (kernel("ReorderInput", [tensor(1, 8, 2, 2)], tensor(1, 8, 2, 2), NCHWC), 0),
    ],
)
def test_everything_else(made: Kernel, expected: int) -> None:
    assert flops(made) == expected
    assert macs(made) == 0


def test_views_cost_nothing_and_moves_cost_bytes() -> None:
    x, flat = tensor(2, 3), tensor(6)
    assert bytes_moved(kernel("Reshape", [x, weight(1, dtype="int64")], flat)) == Bytes(0, 0, 0)
    moved = bytes_moved(kernel("Transpose", [x], tensor(3, 2)))
    assert moved == Bytes(24, 0, 24)
    assert moved.total == 48
    table, rows = weight(1000, 8), tensor(5, dtype="int64")
    assert bytes_moved(kernel("Gather", [table, rows], tensor(5, 8))) == Bytes(40, 160, 160)
    assert bytes_moved(kernel("Shape", [tensor(99, 99)], tensor(2, dtype="int64"))) == Bytes(
        0, 0, 16
    )


@pytest.mark.parametrize("op", ["If", "Loop", "NonZero", "TopK", "MadeUp"])
def test_unknown_operators_have_no_cost_rather_than_none_at_all(op: str) -> None:
    made = kernel(op, [tensor(2)], tensor(2))
    assert flops(made) is None
    assert macs(made) is None
    assert bytes_moved(made) is None
    assert ("", op) not in known_operators()


def test_tensors_without_a_size_have_no_cost() -> None:
    words = tensor(3, dtype="string")
    assert flops(kernel("Concat", [words], words)) is None
    assert bytes_moved(kernel("Concat", [words], words)) is None


def test_kernel_that_does_not_fit_its_operator_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        flops(kernel("Conv", [tensor(1, 3, 4, 4)], tensor(1, 3, 4, 4)))
    with pytest.raises(ValueError, match="do not fit"):
        macs(kernel("MatMul", [tensor(), tensor()], tensor()))


def test_both_names_of_the_onnx_domain_are_one() -> None:
    assert flops(kernel("Relu", [tensor(4)], tensor(4), "ai.onnx")) == 4


def test_every_table_entry_answers_or_refuses() -> None:
    shape = tensor(1, 4, 5, 5)
    for domain, op in known_operators():
        made = Kernel(domain, op, {}, (shape,) * 5, (shape,))
        try:
            cost = flops(made)
        except ValueError:
            continue
        assert cost is None or (cost >= 0 and math.isfinite(cost)), op
