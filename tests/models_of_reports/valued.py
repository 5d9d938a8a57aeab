"""Models whose inputs' values decide how much they compute, or whether they run at all."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto

from tests.models_of_reports.building import (
    INT64,
    constant,
    counted_loop,
    graph,
    model,
    op,
    tensor,
    weights,
    whole,
)

TIME, SEQUENCES, FEATURES, HIDDEN = 160, 6, 48, 96
WORDS, WIDTH = 1000, 128
VOCABULARY, EMBEDDING, TOKENS = 50257, 96, 1024
ROWS, BAGS, PER_BAG = 8000, 96, 24
STEPS_WIDTH = 192
CACHE_HEADS, CACHE_WIDTH = 4, 32


def padded_lstm() -> onnx.ModelProto:
    """A recurrent layer over padded sequences with their lengths, as packed sequences export."""
    nodes = [
        op("Cast", "lengths", "short", "cast", to=TensorProto.INT32),
        op("LSTM", "x w r - short", "y", "lstm", hidden_size=HIDDEN),
    ]
    inputs = [tensor("x", [TIME, "batch", FEATURES]), tensor("lengths", ["batch"], INT64)]
    outputs = [tensor("y", [TIME, 1, "batch", HIDDEN])]
    constants = [weights("w", 1, 4 * HIDDEN, FEATURES), weights("r", 1, 4 * HIDDEN, HIDDEN)]
    return model(graph("padded_lstm", nodes, inputs, outputs, constants))


def early_exit() -> onnx.ModelProto:
    """Only pictures brighter than 0.7 on average get the convolutions."""
    long = graph(
        "long",
        [
            op("Conv", "x w1", "a", "first", pads=[1] * 4),
            op("Conv", "a w2", "b", "second", pads=[1] * 4),
            op("GlobalAveragePool", "b", "long_y", "pool"),
        ],
        [],
        [tensor("long_y", [1, 24, 1, 1])],
    )
    zeros = constant("", np.zeros((1, 24, 1, 1), np.float32))
    short = graph(
        "short",
        [op("Constant", "", "short_y", "nothing", value=zeros)],
        [],
        [tensor("short_y", [1, 24, 1, 1])],
    )
    nodes = [
        op("ReduceMean", "x", "mean", "score", keepdims=0),
        op("Greater", "mean threshold", "bright", "gate"),
        op("If", "bright", "y", "exit", then_branch=long, else_branch=short),
    ]
    constants = [
        weights("w1", 24, 3, 3, 3),
        weights("w2", 24, 24, 3, 3),
        constant("threshold", np.float32(0.7)),
    ]
    whole_graph = graph(
        "early_exit",
        nodes,
        [tensor("x", [1, 3, 112, 112])],
        [tensor("y", [1, 24, 1, 1])],
        constants,
    )
    return model(whole_graph)


def steps(fixed: int | None = None) -> onnx.ModelProto:
    """A decoder's loop of `max_length` steps: an input, or a constant where `fixed` says so."""
    d = STEPS_WIDTH
    body = counted_loop(
        "step",
        [op("MatMul", "s w", "m", "step_matmul"), op("Tanh", "m", "next_s", "step_tanh")],
        ("s", "next_s", [1, d]),
    )
    inputs, constants = [tensor("x", [1, d])], [weights("w", d, d, scale=0.05)]
    constants.append(constant("yes", np.array(True)))
    if fixed is None:
        inputs.append(tensor("max_length", [], INT64))
    else:
        constants.append(whole("max_length", fixed))
    nodes = [op("Loop", "max_length yes x", "y", "generate", body=body)]
    return model(graph("steps", nodes, inputs, [tensor("y", [1, d])], constants))


def voice_detector() -> onnx.ModelProto:
    """Two networks in one file; the sample rate `sr` picks one."""

    def branch(name: str, shape: str, matrix: str) -> onnx.GraphProto:
        nodes = [
            op("Reshape", f"input {shape}", f"{name}_frame", f"{name}_frame"),
            op("MatMul", f"{name}_frame {matrix}", f"{name}_y", f"{name}_net"),
        ]
        return graph(name, nodes, [], [tensor(f"{name}_y", None)])

    nodes = [
        op("Equal", "sr rate", "fast", "is_16k"),
        op(
            "If",
            "fast",
            "output",
            "which",
            then_branch=branch("high", "shape16", "w16"),
            else_branch=branch("low", "shape8", "w8"),
        ),
    ]
    constants = [
        weights("w16", 512, 640),
        weights("w8", 256, 96),
        whole("shape16", [1, 512]),
        whole("shape8", [1, 256]),
        whole("rate", 16000),
    ]
    inputs = [tensor("input", [None, None]), tensor("sr", [], INT64)]
    return model(graph("voice", nodes, inputs, [tensor("output", None)], constants), 16)


def mask_decoder() -> onnx.ModelProto:
    """The last resize takes its size from the picture's own, given as two floats."""
    nodes = [
        op("Conv", "embedding w", "low", "head"),
        op("Resize", "low - - up_size", "up", "up", mode="linear"),
        op("Cast", "orig_im_size", "whole_size", "cast", to=INT64),
        op("Concat", "ones whole_size", "size", "join", axis=0),
        op("Resize", "up - - size", "masks", "to_picture", mode="linear"),
    ]
    constants = [
        weights("w", 1, 16, 1, 1),
        whole("up_size", [1, 1, 256, 256]),
        whole("ones", [1, 1]),
    ]
    inputs = [tensor("embedding", [1, 16, 64, 64]), tensor("orig_im_size", [2])]
    return model(graph("masks", nodes, inputs, [tensor("masks", None)], constants))


def token_types() -> onnx.ModelProto:
    """Embeddings of words and of token types, of which there is one."""
    nodes = [
        op("Gather", "words input_ids", "w", "word"),
        op("Gather", "types token_type_ids", "t", "type"),
        op("Add", "w t", "e", "sum"),
        op("MatMul", "e p", "y", "project"),
    ]
    constants = [
        weights("words", WORDS, WIDTH),
        weights("types", 1, WIDTH),
        weights("p", WIDTH, WIDTH),
    ]
    inputs = [tensor(n, ["batch", "length"], INT64) for n in ("input_ids", "token_type_ids")]
    outputs = [tensor("y", ["batch", "length", WIDTH])]
    return model(graph("token_types", nodes, inputs, outputs, constants))


def vocabulary() -> onnx.ModelProto:
    """A large embedding: rows of two ids stay in the cache, those of a text do not."""
    nodes = [op("Gather", "table ids", "e", "embed"), op("Relu", "e", "y", "relu")]
    outputs = [tensor("y", ["batch", TOKENS, EMBEDDING])]
    inputs = [tensor("ids", ["batch", TOKENS], INT64)]
    constants = [weights("table", VOCABULARY, EMBEDDING)]
    return model(graph("vocabulary", nodes, inputs, outputs, constants))


def embedding_bags() -> onnx.ModelProto:
    """Sums of embeddings per bag, in a loop over the offsets at which the bags begin."""
    d = 48
    body = counted_loop(
        "bag",
        [
            op("Gather", "offsets i", "begin", "begin"),
            op("Add", "i one", "j", "next"),
            op("Gather", "ends j", "end", "end"),
            op("Unsqueeze", "begin axis", "from", "from"),
            op("Unsqueeze", "end axis", "to", "to"),
            op("Slice", "indices from to axis", "ids", "ids"),
            op("Gather", "table ids", "rows", "lookup"),
            op("ReduceSum", "rows axis", "sum", "sum", keepdims=0),
        ],
        None,
        [tensor("sum", [d])],
    )
    nodes = [
        op("Shape", "indices", "n", "count"),
        op("Concat", "offsets n", "ends", "ends", axis=0),
        op("Shape", "offsets", "bags_1", "bags"),
        op("Squeeze", "bags_1", "bags", "scalar"),
        op("Loop", "bags -", "y", "embedding_bag", body=body),
    ]
    inputs = [tensor("indices", ["n_indices"], INT64), tensor("offsets", ["n_bags"], INT64)]
    constants = [weights("table", ROWS, d), whole("one", 1), whole("axis", [0])]
    return model(graph("bags", nodes, inputs, [tensor("y", ["n_bags", d])], constants))


def key_cache() -> onnx.ModelProto:
    """Attention scores over a cache of keys, which is empty before the first token."""
    heads, width = CACHE_HEADS, CACHE_WIDTH
    nodes = [
        op("Gather", "table input_ids", "e", "embed"),
        op("MatMul", "e wk", "flat", "k"),
        op("Reshape", "flat split", "k4", "split"),
        op("Transpose", "k4", "k", "heads", perm=[0, 2, 1, 3]),
        op("Concat", "past.0.key k", "present.0.key", "cache", axis=2),
        op("Transpose", "present.0.key", "turned", "turn", perm=[0, 1, 3, 2]),
        op("MatMul", "k turned", "scores", "scores"),
    ]
    inputs = [
        tensor("input_ids", ["batch", "sequence"], INT64),
        tensor("past.0.key", ["batch", heads, "past", width]),
    ]
    outputs = [
        tensor("scores", None),
        tensor("present.0.key", ["batch", heads, "past + sequence", width]),
    ]
    constants = [
        weights("table", 500, heads * width),
        weights("wk", heads * width, heads * width),
        whole("split", [0, -1, heads, width]),
    ]
    return model(graph("cache", nodes, inputs, outputs, constants))


def empty_prompt(given: bool) -> onnx.ModelProto:
    """A prompt of no tokens before the text: an input if `given`, else a constant."""
    inputs, constants = [tensor("x", [1, 12, 32])], []
    if given:
        inputs.insert(0, tensor("prompt", [1, 0, 32]))
    else:
        constants.append(constant("prompt", np.zeros((1, 0, 32), np.float32)))
    nodes = [op("Concat", "prompt x", "both", "join", axis=1), op("Relu", "both", "y", "relu")]
    return model(graph("prompt", nodes, inputs, [tensor("y", [1, 12, 32])], constants))
