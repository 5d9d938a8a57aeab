from __future__ import annotations

import json

import numpy as np
import pytest

from hwprof.devices.tensorrt.layers import build_profile, layers_of
from hwprof.errors import DeviceError

TEN = {
    "Name": "/conv/Conv + /relu/Relu",
    "LayerType": "CaskConvolution",
    "Inputs": [
        {
            "Name": "x",
            "Dimensions": [1, 3, 8, 8],
            "Format/Datatype": "Channel major FP16 format where channel % 2 == 0",
        }
    ],
    "Outputs": [{"Name": "y", "Dimensions": [1, 8, 8, 8], "Format/Datatype": "Half"}],
    "Stride": [2, 2],
    "Activation": "RELU",
    "TacticName": "sm80_xmma_fprop",
    "TacticValue": "0x12",
    "StreamId": 1,
    "Metadata": "[ONNX Layer: /conv/Conv]\x1f[ONNX Layer: /relu/Relu]",
}
ELEVEN = {
    "Name": "add",
    "LayerType": "kgen",
    "Inputs": [{"Name": "y", "Dimensions": [1, 8], "Format": "Linear", "DataType": "BFloat16"}],
    "Outputs": [],
    "Metadata": "[ONNX Layer: /relu/Relu][ONNX Layer: /add]",
}
RUN = [("/conv/Conv + /relu/Relu", 1.0), ("add", 0.25), ("reformat", 0.125)]
SOURCES = ["/conv/Conv", "/relu/Relu", "/add", "/flat", "/lost"]


def test_layers_become_kernels() -> None:
    layers = layers_of(json.dumps({"Layers": [TEN, ELEVEN]}))
    profile = build_profile(layers, [RUN, RUN], np.ones(2), SOURCES, ["/conv/Conv", "/lost"])
    conv, add, reformat = profile.occurrences
    assert conv.source_nodes == ("/conv/Conv", "/relu/Relu")
    # The node is counted to the first layer that names it.
    assert add.source_nodes == ("/add",)
    assert reformat.source_nodes == ()
    assert profile.uncovered == ("/lost",)
    assert conv.durations_s.tolist() == [1e-3, 1e-3]
    assert conv.kernel.inputs[0] is not None
    assert (conv.kernel.inputs[0].dtype, conv.kernel.inputs[0].shape) == ("float16", (1, 3, 8, 8))
    assert add.kernel.inputs[0] is not None
    assert add.kernel.inputs[0].dtype == "bfloat16"
    assert conv.kernel.attributes["Stride"] == "[2, 2]"
    # Where a layer stands is no part of what it costs.
    assert not {"Name", "StreamId", "TacticValue", "Metadata"} & set(conv.kernel.attributes)
    # Nothing but a name is known of this one.
    assert reformat.kernel.attributes == {"name": "reformat"}


def test_equal_layers_are_one_kernel() -> None:
    layers = [TEN, {**TEN, "Name": "second", "StreamId": 0, "Metadata": ""}]
    run = [(str(layer["Name"]), 1.0) for layer in layers]
    profile = build_profile(layers, [run], np.ones(1), SOURCES, [])
    first, second = profile.occurrences
    assert first.kernel.key == second.kernel.key
    other = build_profile([{**TEN, "Stride": [1, 1]}], [run[:1]], np.ones(1), SOURCES, [])
    assert other.occurrences[0].kernel.key != first.kernel.key


def test_runs_that_differ_are_refused() -> None:
    with pytest.raises(DeviceError, match="different layers"):
        build_profile([TEN], [RUN, RUN[:2]], np.ones(2), SOURCES, [])


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"Layers": 3}'])
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(DeviceError, match="cannot be read"):
        layers_of(text)


def test_names_alone_are_layers_too() -> None:
    (layer,) = layers_of(json.dumps({"Layers": ["conv"]}))
    assert layer["Name"] == "conv"
