"""Dimensions that files leave open, name oddly, or state wrongly."""

from __future__ import annotations

import onnx

from tests.models_of_reports.building import graph, model, op, tensor, weights

H, F = 48, 12


def _gru(inputs: list[onnx.ValueInfoProto], names: str, features: int, h: int) -> onnx.ModelProto:
    nodes = [op("GRU", names, "y", "gru", hidden_size=h, linear_before_reset=1)]
    constants = [
        weights("w", 1, 3 * h, features),
        weights("r", 1, 3 * h, h),
        weights("b", 1, 6 * h),
    ]
    return model(graph("gru", nodes, inputs, [tensor("y", None)], constants))


def time_first() -> onnx.ModelProto:
    """A recurrent layer whose first dimension is time and whose second is the batch."""
    inputs = [tensor("x", ["time", "batch", F]), tensor("h0", [1, "batch", H])]
    return _gru(inputs, "x w r b - h0", F, H)


def time_first_batch_one() -> onnx.ModelProto:
    """The same, exported with a batch of 1: only time is open."""
    return _gru([tensor("x", ["time", 1, F])], "x w r b", F, H)


def fixed_state() -> onnx.ModelProto:
    """An open batch for the input and a batch of 1 for the state that goes with it."""
    inputs = [tensor("x", [10, "batch", F]), tensor("state", [1, 1, H])]
    return _gru(inputs, "x w r b - state", F, H)


def one_symbol(symbol: str) -> onnx.ModelProto:
    """A convolution whose batch, height and width all bear one symbol."""
    ends = (
        [tensor("x", [symbol, 3, symbol, symbol])],
        [tensor("y", [symbol, 8, symbol, symbol])],
    )
    return model(
        graph("symbol", [op("Conv", "x w", "y", "conv")], *ends, [weights("w", 8, 3, 3, 3)])
    )


def open_batch() -> onnx.ModelProto:
    """A one-dimensional convolution that leaves the batch open at both ends."""
    nodes = [op("Conv", "x w", "c", "conv", pads=[2, 2]), op("Relu", "c", "y", "relu")]
    ends = [tensor("x", ["batch", 8, 200])], [tensor("y", ["batch", 16, 200])]
    return model(graph("conv1d", nodes, *ends, [weights("w", 16, 8, 5)]))


def stale_shapes() -> onnx.ModelProto:
    """Shapes noted in the file that are not those that the graph computes."""
    nodes = [
        op("Conv", "x w", "c", "conv"),
        op("Flatten", "c", "f", "flat"),
        op("Relu", "f", "y", "relu"),
    ]
    ends = [tensor("x", [1, 3, "h", "w"])], [tensor("y", [1, 1000])]
    built = graph("stale", nodes, *ends, [weights("w", 8, 3, 3, 3)])
    built.value_info.append(tensor("c", [1, 8, 222, 222]))
    return model(built)
