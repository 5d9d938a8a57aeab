"""Outputs as declared and as computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hwprof.models.load import load_model
from hwprof.models.outputs import DeclaredOutput, declared_outputs


def test_outputs_are_those_of_the_file(mlp: Path, dynamic_mlp: Path) -> None:
    (fixed,) = declared_outputs(load_model(mlp))
    assert (fixed.name, fixed.dtype, fixed.shape) == ("y", "float32", (4, 8))
    (dynamic,) = declared_outputs(load_model(dynamic_mlp, batch=2))
    assert dynamic.shape is None


def test_outputs_are_dressed_as_declared() -> None:
    found = DeclaredOutput("y", "int64", ()).dress(np.array([3], np.int32))
    assert (found.dtype, found.shape) == (np.int64, ())
    assert DeclaredOutput("y", "bool", None).dress(np.array([1, 0], np.int32)).tolist() == [
        True,
        False,
    ]
    strange = np.zeros(3, np.float32)
    assert DeclaredOutput("y", "bfloat16", (2, 2)).dress(strange) is strange
