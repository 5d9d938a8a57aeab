""".tflite files whose numbers lead nowhere."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from hwprof.errors import HwprofError, ModelError
from hwprof.models.load import load_model
from tests.devices.litert.conftest import mlp_tflite, rewritten

__all__ = ["mlp_tflite"]

Change = Callable[[object, object], None]


def first(model: object) -> object:
    return model.subgraphs[0]  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", [-1, -2, 99, 2**31 - 1])
@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_ends_that_are_no_tensors(number: int, side: str, mlp_tflite: Path, tmp_path: Path) -> None:
    def change(model: object, _schema: object) -> None:
        setattr(first(model), side, np.array([number], np.int32))

    with pytest.raises(ModelError, match="is not a LiteRT model"):
        load_model(rewritten(mlp_tflite, "hostile.tflite", change))


@pytest.mark.parametrize("number", [-2, 99])
def test_operators_that_read_no_tensors(number: int, mlp_tflite: Path) -> None:
    def change(model: object, _schema: object) -> None:
        first(model).operators[0].inputs = np.array([number], np.int32)  # type: ignore[attr-defined]

    with pytest.raises(ModelError, match="is not a LiteRT model"):
        load_model(rewritten(mlp_tflite, "hostile.tflite", change))


def test_any_change_of_bytes_is_taken_or_refused(mlp_tflite: Path, tmp_path: Path) -> None:
    whole, number = mlp_tflite.read_bytes(), random.Random(0)
    path = tmp_path / "changed.tflite"
    for _ in range(200):
        content = bytearray(whole)
        for _ in range(number.choice((1, 2, 4))):
            content[number.randrange(8, len(content))] = number.randrange(256)
        path.write_bytes(content)
        with suppress(HwprofError):
            load_model(path)
