"""One small model for every ONNX operator that is converted, and for every form that differs."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from tests.devices.litert.models import node, positive, weights

IMAGE = {"x": (2, 6, 9, 10)}
SMALL = {"x": (2, 6, 1, 1)}
SEQUENCE = {"x": (2, 6, 11)}
ROWS = {"x": (3, 8)}
W = weights
STATISTICS = {"s": positive(6), "b": W(6), "m": W(6, seed=3), "v": positive(6, seed=4)}


def i64(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def f32(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


# id: (nodes, inputs, constants[, opset])
CASES: dict[str, tuple[Any, ...]] = {
    "conv": ([node("Conv", "x w b", "y")], IMAGE, {"w": W(4, 6, 3, 3), "b": W(4)}),
    "conv stride pads": (
        [node("Conv", "x w", "y", strides=[2, 2], pads=[1, 1, 1, 1])], IMAGE, {"w": W(4, 6, 3, 3)},
    ),
    "conv same pads": ([node("Conv", "x w", "y", pads=[1, 1, 1, 1])], IMAGE, {"w": W(4, 6, 3, 3)}),
    "conv uneven pads": (
        [node("Conv", "x w", "y", pads=[0, 2, 1, 0], strides=[1, 2])], IMAGE, {"w": W(4, 6, 2, 3)},
    ),
    "conv same lower": (
        [node("Conv", "x w", "y", auto_pad="SAME_LOWER", strides=[2, 2])], IMAGE,
        {"w": W(4, 6, 3, 3)},
    ),
    "conv same upper": (
        [node("Conv", "x w", "y", auto_pad="SAME_UPPER", strides=[2, 2])], IMAGE,
        {"w": W(4, 6, 3, 3)},
    ),
    "conv dilated": (
        [node("Conv", "x w", "y", dilations=[2, 2], pads=[2, 2, 2, 2])], IMAGE,
        {"w": W(4, 6, 3, 3)},
    ),
    "conv depthwise": (
        [node("Conv", "x w b", "y", group=6, pads=[1, 1, 1, 1])], IMAGE,
        {"w": W(6, 1, 3, 3), "b": W(6)},
    ),
    "conv depthwise twofold": (
        [node("Conv", "x w", "y", group=6, strides=[2, 2])], IMAGE, {"w": W(12, 1, 3, 3)},
    ),
    "conv grouped": ([node("Conv", "x w b", "y", group=3)], IMAGE, {"w": W(9, 2, 3, 3), "b": W(9)}),
    "conv 1d": ([node("Conv", "x w", "y", pads=[1, 1], strides=[2])], SEQUENCE, {"w": W(4, 6, 3)}),
    "conv norm relu6": (
        [
            node("Conv", "x w", "c"), node("BatchNormalization", "c s b m v", "n"),
            node("Clip", "n lo hi", "y"),
        ],
        IMAGE, {"w": W(6, 6, 3, 3), "lo": f32(0)[0], "hi": f32(6)[0], **STATISTICS},
    ),
    "conv scaled shifted": (
        [
            node("Conv", "x w", "c"), node("Mul", "k c", "d"), node("Sub", "b d", "e"),
            node("Div", "e two", "f"), node("Relu", "f", "y"),
        ],
        IMAGE, {"w": W(4, 6, 1, 1), "k": W(4, 1, 1), "b": W(1, 4, 1, 1, seed=2), "two": f32(2)},
    ),
    "conv plus a row": (  # per column, not per channel: it must not be folded in
        [node("Conv", "x w", "c"), node("Add", "c b", "y")], IMAGE,
        {"w": W(8, 6, 2, 3), "b": W(8)},
    ),
    "conv read twice": (
        [node("Conv", "x w", "c"), node("Relu", "c", "r"), node("Add", "c r", "y")], IMAGE,
        {"w": W(4, 6, 3, 3)},
    ),
    "transposed conv": (
        [node("ConvTranspose", "x w b", "y", strides=[2, 2], pads=[1, 1, 1, 1])], IMAGE,
        {"w": W(6, 4, 4, 4), "b": W(4)},
    ),
    "transposed conv whole": (
        [node("ConvTranspose", "x w", "y", strides=[2, 3])], IMAGE, {"w": W(6, 4, 2, 3)},
    ),
    "max pool": ([node("MaxPool", "x", "y", kernel_shape=[2, 2], strides=[2, 2])], IMAGE, {}),
    "max pool pads below zero": (
        [
            node("Sub", "x k", "d"),
            node("MaxPool", "d", "y", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        ],
        IMAGE, {"k": f32(5)},
    ),
    "max pool pads after relu": (
        [
            node("Sub", "x k", "d"), node("Relu", "d", "r"),
            node("MaxPool", "r", "y", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        ],
        IMAGE, {"k": f32(0.5)},
    ),
    "max pool ceil": (
        [node("MaxPool", "x", "y", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)], IMAGE, {},
    ),
    "max pool 1d": ([node("MaxPool", "x", "y", kernel_shape=[3], pads=[1, 1])], SEQUENCE, {}),
    "average pool": ([node("AveragePool", "x", "y", kernel_shape=[3, 2])], IMAGE, {}),
    "average pool pads": (
        [node("AveragePool", "x", "y", kernel_shape=[3, 3], pads=[1, 1, 1, 1])], IMAGE, {},
    ),
    "average pool pads strides": (
        [node("AveragePool", "x", "y", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])],
        IMAGE, {},
    ),
    "average pool counting pads": (
        [node("AveragePool", "x", "y", kernel_shape=[3, 3], pads=[1, 1, 1, 1],
              count_include_pad=1)],
        IMAGE, {},
    ),
    "global average": ([node("GlobalAveragePool", "x", "y")], IMAGE, {}),
    "global average then flat": (
        [node("GlobalAveragePool", "x", "g"), node("Flatten", "g", "f"),
         node("Gemm", "f w b", "y", transB=1)],
        IMAGE, {"w": W(5, 6), "b": W(5)},
    ),
    "global maximum": ([node("GlobalMaxPool", "x", "y")], IMAGE, {}),
    "batch norm": ([node("BatchNormalization", "x s b m v", "y")], IMAGE, STATISTICS),
    "batch norm of rows": (
        [node("BatchNormalization", "x s b m v", "n"), node("Relu", "n", "y")], {"x": (3, 6)},
        STATISTICS,
    ),
    "instance norm": ([node("InstanceNormalization", "x s b", "y")], IMAGE,
                      {"s": positive(6), "b": W(6)}),
    "layer norm": ([node("LayerNormalization", "x s b", "y")], {"x": (2, 5, 8)},
                   {"s": positive(8), "b": W(8)}),
    "layer norm of two": ([node("LayerNormalization", "x s", "y", axis=1)], {"x": (2, 5, 8)},
                          {"s": positive(5, 8)}),
    "lrn": ([node("LRN", "x", "y", size=3, alpha=0.5, beta=0.6, bias=2.0)], IMAGE, {}),
    "gemm": ([node("Gemm", "x w b", "y", alpha=0.5, beta=2.0)], ROWS, {"w": W(8, 5), "b": W(5)}),
    "gemm transposed": ([node("Gemm", "x w", "y", transA=1, transB=1)], ROWS, {"w": W(5, 3)}),
    "gemm scalar": ([node("Gemm", "x w b", "y")], ROWS, {"w": W(8, 5), "b": f32(3)}),
    "gemm of two": ([node("Gemm", "x z", "y", transB=1)], {"x": (3, 8), "z": (4, 8)}, {}),
    "matmul add relu": (
        [node("MatMul", "x w", "m"), node("Add", "b m", "a"), node("Relu", "a", "y")],
        {"x": (2, 3, 8)}, {"w": W(8, 5), "b": W(5)},
    ),
    "matmul batches": ([node("MatMul", "x z", "y")], {"x": (2, 3, 8), "z": (2, 8, 4)}, {}),
    "matmul by a batch of constants": ([node("MatMul", "x w", "y")], {"x": (2, 3, 8)},
                                       {"w": W(2, 8, 4)}),
    "matmul of a constant": ([node("MatMul", "w x", "y")], {"x": (8, 3)}, {"w": W(4, 8)}),
    "attention": (
        [
            node("Transpose", "x", "t", perm=[0, 2, 1, 3]),
            node("Transpose", "x", "k", perm=[0, 2, 3, 1]),
            node("MatMul", "t k", "m"), node("Softmax", "m", "p"), node("MatMul", "p t", "o"),
            node("Transpose", "o", "u", perm=[0, 2, 1, 3]), node("Reshape", "u s", "y"),
        ],
        {"x": (2, 5, 3, 4)}, {"s": i64(2, 5, 12)},
    ),
    "add broadcast": ([node("Add", "x z", "y")], {"x": (2, 6, 4, 5), "z": (6, 1, 1)}, {}),
    "add images": (
        [node("Conv", "x w", "c"), node("Add", "c x", "a"), node("Relu", "a", "y")],
        {"x": (1, 4, 5, 6)}, {"w": W(4, 4, 1, 1)},
    ),
    "image and row": ([node("Conv", "x w", "c"), node("Mul", "c z", "y")],
                      {"x": (1, 4, 5, 6), "z": (6,)}, {"w": W(4, 4, 1, 1)}),
    "constant first": ([node("Sub", "k x", "y")], IMAGE, {"k": W(6, 1, 1)}),
    "sum of three": ([node("Sum", "x z k", "y")], {"x": (2, 3), "z": (1, 3)}, {"k": W(2, 1)}),
    "max min": ([node("Max", "x k", "a"), node("Min", "a h z", "y")],
                {"x": (2, 3), "z": (2, 3)}, {"k": f32(0.3), "h": f32(0.7)}),
    "clip": ([node("Clip", "x lo hi", "y")], IMAGE, {"lo": f32(0.2)[0], "hi": f32(0.6)[0]}),
    "clip to one": ([node("Sub", "x k", "d"), node("Clip", "d lo hi", "y")], IMAGE,
                    {"k": f32(0.5), "lo": f32(0)[0], "hi": f32(1)[0]}),
    "old clip": ([node("Clip", "x", "y", min=0.2, max=0.5)], IMAGE, {}, 10),
    "hard sigmoid": ([node("Sub", "x k", "d"), node("HardSigmoid", "d", "y")], IMAGE,
                     {"k": f32(2)}),
    "hard sigmoid by six": ([node("HardSigmoid", "x", "y", alpha=1 / 6)], IMAGE, {}),
    "hard swish": ([node("HardSwish", "x", "y")], IMAGE, {}),
    "leaky relu": ([node("Sub", "x k", "d"), node("LeakyRelu", "d", "y", alpha=0.2)], IMAGE,
                   {"k": f32(0.5)}),
    "prelu": ([node("Sub", "x k", "d"), node("Conv", "d w", "c"), node("PRelu", "c p", "y")],
              IMAGE, {"k": f32(0.5), "w": W(4, 6, 1, 1), "p": W(4, 1, 1)}),
    "elu": ([node("Sub", "x k", "d"), node("Elu", "d", "y")], IMAGE, {"k": f32(0.5)}),
    "softplus": ([node("Softplus", "x", "y")], IMAGE, {}),
    "reciprocal": ([node("Add", "x k", "a"), node("Reciprocal", "a", "y")], IMAGE, {"k": f32(1)}),
    "powers": ([node("Pow", "x two", "a"), node("Pow", "a half", "b"), node("Pow", "b three", "y")],
               ROWS, {"two": f32(2), "half": f32(0.5), "three": f32(3)}),
    "where": ([node("Greater", "x k", "c"), node("Where", "c x z", "y")],
              {"x": (2, 3), "z": (2, 3)}, {"k": f32(0.5)}),
    "cast": ([node("Mul", "x k", "a"), node("Cast", "a", "y", to=onnx.TensorProto.INT32)], ROWS,
             {"k": f32(9)}),
    "gelu written out": (
        [
            node("Sub", "x k", "d"), node("Div", "d root", "a"), node("Erf", "a", "e"),
            node("Add", "e one", "p"), node("Mul", "d p", "q"), node("Mul", "q half", "y"),
        ],
        ROWS, {"k": f32(0.5), "root": f32(np.sqrt(2)), "one": f32(1), "half": f32(0.5)},
    ),
    "gelu half first": (
        [
            node("Mul", "x half", "h"), node("Mul", "x root", "a"), node("Erf", "a", "e"),
            node("Add", "one e", "p"), node("Mul", "h p", "y"),
        ],
        ROWS, {"root": f32(np.sqrt(0.5)), "one": f32(1), "half": f32(0.5)},
    ),
    "gelu operator": ([node("Gelu", "x", "a"), node("Gelu", "a", "y", approximate="tanh")], ROWS,
                      {}, 20),
    "softmax": ([node("Softmax", "x", "y")], {"x": (2, 3, 4)}, {}),
    "softmax of channels": ([node("Conv", "x w", "c"), node("Softmax", "c", "y", axis=1)], IMAGE,
                            {"w": W(4, 6, 1, 1)}),
    "softmax of rows": ([node("Softmax", "x", "y", axis=1)], {"x": (2, 3, 4)}, {}),
    "old softmax": ([node("Conv", "x w", "c"), node("Softmax", "c", "y", axis=1)], IMAGE,
                    {"w": W(4, 6, 1, 1)}, 11),
    "log softmax": ([node("LogSoftmax", "x", "y")], ROWS, {}),
    "reduce spatial": ([node("Conv", "x w", "c"), node("ReduceMean", "c", "y", axes=[2, 3],
                                                       keepdims=0)], IMAGE, {"w": W(4, 6, 1, 1)}),
    "reduce channels": ([node("Conv", "x w", "c"), node("ReduceMax", "c", "y", axes=[1])], IMAGE,
                        {"w": W(4, 6, 1, 1)}),
    "reduce width away": ([node("Conv", "x w", "c"), node("ReduceMin", "c", "y", axes=[-1],
                                                          keepdims=0)], IMAGE,
                          {"w": W(4, 6, 1, 1)}),
    "reduce all": ([node("ReduceSum", "x", "y", keepdims=0)], ROWS, {}),
    "argmax": ([node("ArgMax", "x", "y", axis=1)], ROWS, {}),
    "argmin away": ([node("ArgMin", "x", "y", axis=0, keepdims=0)], ROWS, {}),
    "concat channels": ([node("Conv", "x w", "c"), node("Concat", "c x", "y", axis=1)], IMAGE,
                        {"w": W(4, 6, 1, 1)}),
    "concat a constant": ([node("Concat", "k x", "y", axis=0)], ROWS, {"k": W(1, 8)}),
    "split": ([node("Conv", "x w", "c"), node("Split", "c", "a b", axis=1),
               node("Sub", "a b", "y")], IMAGE, {"w": W(4, 6, 1, 1)}),
    "split unequal": ([node("Split", "x n", "a b", axis=1), node("Concat", "b a", "y", axis=1)],
                      ROWS, {"n": i64(3, 5)}),
    "slice": ([node("Conv", "x w", "c"), node("Slice", "c s e a t", "y")], IMAGE,
              {"w": W(4, 6, 1, 1), "s": i64(1, -3), "e": i64(4, 99), "a": i64(1, 3),
               "t": i64(2, 1)}),
    "slice backwards": ([node("Slice", "x s e a t", "y")], ROWS,
                        {"s": i64(-1), "e": i64(-99), "a": i64(1), "t": i64(-2)}),
    "old slice": ([node("Slice", "x", "y", starts=[1], ends=[-1], axes=[1])], ROWS, {}, 9),
    "pad": ([node("Conv", "x w", "c"), node("Pad", "c p v", "y")], IMAGE,
            {"w": W(4, 6, 1, 1), "p": i64(0, 1, 0, 2, 0, 0, 3, 1), "v": f32(1.5)[0]}),
    "pad zeros": ([node("Pad", "x p", "y")], ROWS, {"p": i64(0, 1, 2, 0)}),
    "pad reflect": ([node("Pad", "x p", "y", mode="reflect")], IMAGE,
                    {"p": i64(0, 0, 1, 2, 0, 0, 0, 1)}),
    "transpose": ([node("Transpose", "x", "t", perm=[1, 0]), node("MatMul", "t w", "y")], ROWS,
                  {"w": W(3, 4)}),
    "transpose out": ([node("Conv", "x w", "c"), node("Transpose", "c", "y", perm=[0, 2, 3, 1])],
                      IMAGE, {"w": W(4, 6, 1, 1)}),
    "transposes": ([node("Transpose", "x", "t", perm=[2, 0, 1]),
                    node("Transpose", "t", "u", perm=[0, 2, 1]), node("Mul", "u z", "y")],
                   {"x": (2, 3, 4), "z": (4, 3, 2)}, {}),
    "shuffle": (
        [
            node("Conv", "x w", "c"), node("Reshape", "c five", "g"),
            node("Transpose", "g", "t", perm=[0, 2, 1, 3, 4]), node("Reshape", "t four", "r"),
            node("Conv", "r w", "y"),
        ],
        IMAGE, {"w": W(6, 6, 1, 1), "five": i64(2, 3, 2, 9, 10), "four": i64(2, 6, 9, 10)},
    ),
    "reshape an image": ([node("Conv", "x w", "c"), node("Reshape", "c s", "y")], IMAGE,
                         {"w": W(4, 6, 1, 1), "s": i64(0, -1, 5)}),
    "squeeze": ([node("Conv", "x w", "c"), node("Squeeze", "c a", "y")], SMALL,
                {"w": W(4, 6, 1, 1), "a": i64(2, 3)}),
    "unsqueeze": ([node("Unsqueeze", "x a", "y")], ROWS, {"a": i64(0, 3)}),
    "gather": ([node("Gather", "x i", "y", axis=1)], ROWS, {"i": i64(2, -1, 0)}),
    "gather one": ([node("Gather", "x i", "y")], ROWS, {"i": np.array(-1, np.int64)}),
    "expand tile": ([node("Expand", "x s", "e"), node("Tile", "e r", "y")], {"x": (3, 1)},
                    {"s": i64(2, 3, 4), "r": i64(1, 2, 1)}),
    "depth to space": ([node("Conv", "x w", "c"), node("DepthToSpace", "c", "y", blocksize=2)],
                       IMAGE, {"w": W(8, 6, 1, 1)}),
    "space to depth": ([node("SpaceToDepth", "x", "y", blocksize=2)], {"x": (1, 3, 4, 6)}, {}),
    "resize nearest": ([node("Resize", "x _ s", "y", mode="nearest",
                             coordinate_transformation_mode="asymmetric", nearest_mode="floor")],
                       IMAGE, {"s": f32(1, 1, 2, 2)}),
    "resize nearest whole": ([node("Resize", "x _ s", "y")], IMAGE, {"s": f32(1, 1, 2, 3)}),
    "resize linear": ([node("Resize", "x _ s", "y", mode="linear")], IMAGE,
                      {"s": f32(1, 1, 2, 1.5)}),
    "resize corners": ([node("Resize", "x _ _ n", "y", mode="linear",
                             coordinate_transformation_mode="align_corners")], IMAGE,
                       {"n": i64(2, 6, 17, 13)}),
    "upsample": ([node("Upsample", "x s", "y")], IMAGE, {"s": f32(1, 1, 2, 2)}, 9),
    "shape of an input": (
        [
            node("Shape", "x", "n"), node("Gather", "n zero", "first"),
            node("Unsqueeze", "first zeros", "u"), node("Concat", "u rest", "s", axis=0),
            node("Reshape", "x s", "y"),
        ],
        IMAGE, {"zero": np.array(0, np.int64), "zeros": i64(0), "rest": i64(-1)},
    ),
    "idle": ([node("Identity", "x", "i"), node("Dropout", "i", "d"), node("Exp", "d", "y")], ROWS,
             {}),
}  # fmt: skip
