"""Kernel keys and covered nodes of real models, in short: remade by running this module.

    python -m tests.devices.onnxruntime.stored_keys

Keys join tables of different days, so they may change only where ONNX Runtime does. Kernels are
compared without their order: ONNX Runtime orders nodes that do not depend on one another
differently from session to session.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper

from tests.devices.onnxruntime.profiled import LIGHT, MODELS, profile_model, save_model

STORED = Path(__file__).with_suffix(".json")
LEVELS = ("basic", "all")
SHAPES = {
    path: shape for name, (path, shape) in MODELS.items() if name in ("det", "rec", "cls")
} | dict.fromkeys(sorted(LIGHT.glob("*.onnx")))
NAMES = {path.stem: path for path in SHAPES}


def digest(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def found(name: str, level: str, folder: Path) -> dict[str, int | str]:
    """How many kernels a model has, and hashes of their keys with nodes, and of all nodes."""
    path = NAMES[name]
    made = profile_model(path, folder, level, shape=SHAPES[path], runs=1)
    profile, extras = made.build(1)
    keys = [json.dumps([o.kernel.key, *o.source_nodes]) for o in profile.occurrences]
    nodes = [node for o in profile.occurrences for node in o.source_nodes]
    return {
        "kernels": len(keys),
        "keys": digest(keys),
        "nodes": digest([*nodes, "uncovered", *profile.uncovered]),
        "weights_bytes": extras.weights_bytes or 0,
    }


def block(folder: Path) -> int:
    """Channels in a block of the blocked layout: a matter of the processor's vectors, 0 if none."""
    conv = helper.make_node("Conv", ["x", "w"], ["y"])
    weights = {"w": np.ones((3, 64, 1, 1), np.float32)}
    path = save_model(folder / "block.onnx", [conv], {"x": [1, 64, 4, 4]}, ["y"], weights)
    graph = onnx.load(profile_model(path, folder, "all").optimised, load_external_data=False).graph
    sizes = [t.dims[0] for t in graph.initializer if len(t.dims) == 4]
    return sizes[0] if any(n.domain.endswith("nchwc") for n in graph.node) else 0


def main() -> None:
    models: dict[str, Mapping[str, object]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in sorted(NAMES):
            models[name] = {level: found(name, level, Path(folder)) for level in LEVELS}
        made_by = {"onnxruntime": onnxruntime.__version__, "block": block(Path(folder))}
    STORED.write_text(json.dumps({"made_by": made_by, "models": models}, indent=1) + "\n")
    sys.stdout.write(f"{STORED}: {made_by}\n")


if __name__ == "__main__":
    main()
