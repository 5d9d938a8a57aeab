"""Operators that runtimes may not know, values that are no tensors, and classical models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.models_of_reports.building import FLOAT, graph, model, op, tensor, weights, whole

UNKNOWN: Mapping[str, str] = {
    "plugin_of_tensorrt": "BatchedNMSDynamic_TRT",
    "own_domain": "MyOp",
    "extensions": "Gelu",
}
"""Those whose operator no plain runtime knows, and what it is called."""


def operators() -> Mapping[str, onnx.ModelProto]:
    """Custom operators, contributed ones, and some of newer operator sets."""

    def made(
        node: onnx.NodeProto,
        constants: Sequence[onnx.TensorProto] = (),
        opset: int = 17,
        **domains: int,
    ) -> onnx.ModelProto:
        ends = [tensor("x", [1, 8, 64])], [tensor("y", None)]
        return model(graph("foreign", [node], *ends, constants), opset, **domains)

    gain = [weights("g", 64)]
    contributed = {"domain": "com.microsoft"}
    return {
        "plugin_of_tensorrt": made(op("BatchedNMSDynamic_TRT", "x", "y")),
        "own_domain": made(op("MyOp", "x", "y", domain="com.acme"), com_acme=1),
        "extensions": made(op("Gelu", "x", "y", domain="ai.onnx.contrib"), ai_onnx_contrib=1),
        "contributed": made(
            op("SkipLayerNormalization", "x x g g", "y", **contributed), gain, com_microsoft=1
        ),
        "rms_normalisation": made(op("RMSNormalization", "x g", "y"), gain, 23),
        "attention": made(op("Attention", "x x x", "y", q_num_heads=4, kv_num_heads=4), (), 23),
    }


def sequences() -> Mapping[str, onnx.ModelProto]:
    """Sequences, optionals and strings: inside, coming out, and (the last two) going in."""
    listed = helper.make_tensor_sequence_value_info
    optional = helper.make_optional_type_proto(helper.make_tensor_type_proto(FLOAT, [4, 8]))
    words = helper.make_tensor("k", TensorProto.STRING, [4], [b"cat", b"dog", b"owl", b"fox"])
    body = graph("each", [op("Relu", "e", "f", "inner")], [tensor("e", None)], [tensor("f", None)])
    inside = [
        op("SplitToSequence", "x", "q", axis=1, keepdims=1),
        op("SequenceAt", "q i", "a"),
        op("Relu", "a", "r"),
        op("SequenceInsert", "q r", "q2"),
        op("ConcatFromSequence", "q2", "y", axis=1),
    ]
    mapped = [
        op("SplitToSequence", "x", "q", axis=0),
        op("SequenceMap", "q", "q2", body=body),
        op("ConcatFromSequence", "q2", "y", axis=0),
    ]
    labels = [op("ArgMax", "x", "i", axis=1, keepdims=0), op("Gather", "k i", "label")]
    x, y = tensor("x", [16, 8]), tensor("y", None)
    return {
        "inside": model(graph("inside", inside, [tensor("x", [4, 8])], [y], [whole("i", 2)]), 18),
        "mapped": model(graph("mapped", mapped, [x], [y]), 18),
        "sequence_out": model(
            graph(
                "out", [op("SplitToSequence", "x", "q", axis=0)], [x], [listed("q", FLOAT, None)]
            ),
            18,
        ),
        "strings_out": model(
            graph(
                "labels",
                labels,
                [tensor("x", [8, 4])],
                [tensor("label", [8], TensorProto.STRING)],
                [words],
            ),
            18,
        ),
        "sequence_in": model(
            graph(
                "in",
                [op("ConcatFromSequence", "q", "y", axis=0)],
                [listed("q", FLOAT, [4, 8])],
                [y],
            ),
            18,
        ),
        "optional_in": model(
            graph(
                "optional",
                [op("OptionalGetElement", "o", "t"), op("Relu", "t", "y")],
                [helper.make_value_info("o", optional)],
                [tensor("y", [4, 8])],
            ),
            18,
        ),
    }


def classical() -> Mapping[str, onnx.ModelProto]:
    """Models as converters of scikit-learn write them: maps come out, words may go in."""
    ml = {"domain": "ai.onnx.ml"}
    rng = np.random.default_rng(0)
    coefficients = rng.standard_normal(12).astype(float).tolist()
    linear = op(
        "LinearClassifier",
        "x",
        "label scores",
        coefficients=coefficients,
        intercepts=[0.1, 0.2, 0.3],
        classlabels_strings=["setosa", "versicolor", "virginica"],
        **ml,
    )
    named = op(
        "ZipMap",
        "scores",
        "probabilities",
        classlabels_strings=["setosa", "versicolor", "virginica"],
        **ml,
    )
    rows = tensor("x", [None, 4])
    label = tensor("label", [None], TensorProto.STRING)
    by_name = helper.make_sequence_type_proto(
        helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(FLOAT, []))
    )
    text = op(
        "TfIdfVectorizer",
        "text",
        "y",
        mode="TF",
        min_gram_length=1,
        max_gram_length=1,
        max_skip_count=0,
        ngram_counts=[0],
        ngram_indexes=[0, 1, 2],
        pool_strings=["fast", "slow", "model"],
    )
    columns = [
        op("Scaler", "age", "scaled", offset=[30.0], scale=[0.1], **ml),
        op("OneHotEncoder", "city", "hot", cats_strings=["rome", "oslo", "bern"], zeros=1, **ml),
        op("Reshape", "hot flat", "flat_hot"),
        op("Concat", "scaled flat_hot", "y", axis=1),
    ]
    words = TensorProto.STRING
    return {
        "labels_and_maps": model(
            graph(
                "map",
                [linear, named],
                [rows],
                [label, helper.make_value_info("probabilities", by_name)],
            ),
            ai_onnx_ml=3,
        ),
        "plain_scores": model(
            graph("scores", [linear], [rows], [label, tensor("scores", [None, 3])]), ai_onnx_ml=3
        ),
        "text": model(graph("text", [text], [tensor("text", [3], words)], [tensor("y", [3])])),
        "columns": model(
            graph(
                "columns",
                columns,
                [tensor("age", [None, 1]), tensor("city", [None, 1], words)],
                [tensor("y", [None, 4])],
                [whole("flat", [-1, 3])],
            ),
            ai_onnx_ml=3,
        ),
    }
