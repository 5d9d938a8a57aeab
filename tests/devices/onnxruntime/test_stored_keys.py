"""Kernel keys and covered nodes of real models are those that were stored, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path

import onnxruntime
import pytest

from tests.devices.onnxruntime.stored_keys import LEVELS, NAMES, STORED, block, found

_STORED = json.loads(STORED.read_text())


def test_the_keys_were_made_with_this_onnxruntime() -> None:
    assert _STORED["made_by"]["onnxruntime"] == onnxruntime.__version__, (
        "check that keys changed for a reason of ONNX Runtime's, then remake them with "
        "python -m tests.devices.onnxruntime.stored_keys"
    )


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", sorted(NAMES))
def test_keys_and_nodes_are_the_stored_ones(name: str, level: str, tmp_path: Path) -> None:
    now, stored = found(name, level, tmp_path), _STORED["models"][name][level]
    if level == "all" and block(tmp_path) != _STORED["made_by"]["block"]:
        # Another processor blocks channels in other numbers: other kernels for the same nodes.
        now, stored = {"nodes": now["nodes"]}, {"nodes": stored["nodes"]}
    assert now == stored
