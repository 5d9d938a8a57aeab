"""HELP's files, damaged or made to do harm."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwprof.errors import OptionError
from hwprof.predictors.help import HelpPredictor
from tests.predictors.test_damaged import STORED, fill, put, rewritten

pytestmark = pytest.mark.runtimes

HELP = STORED / "nasbench201-help.safetensors"
Change = Callable[[dict[str, Any]], None]


def refused(path: Path, says: str) -> None:
    with pytest.raises(OptionError, match=says) as caught:
        HelpPredictor.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (fill("network/fc5.weight", np.nan), "not finite"),
        (put("network/fc5.weight", np.zeros((2, 2), dtype=np.float32)), "do not fit its options"),
        (put("network/more", np.zeros(1, dtype=np.float32)), "do not fit its options"),
        (put("rates/fc5.bias", np.zeros(0, dtype=np.float32)), "do not fit its options"),
        (put("z/z1.weight", np.zeros((1, 1), dtype=np.float32)), "do not fit its options"),
        (put("other/x", np.zeros(1)), "unknown part"),
        (put("references", np.array([0, 10**9])), "not rows of its pool"),
        (put("references", np.array([0])), "not rows of its pool"),
        (fill("pool/latency_s", -1.0), "damaged"),
        (put("pool/features", np.zeros((0, 3))), "damaged"),
        (lambda tensors: tensors.pop("references"), "lacks"),
    ],
)
def test_tensors_that_do_not_fit(tmp_path: Path, change: Change, says: str) -> None:
    refused(rewritten(tmp_path / "x", HELP, tensors=change, key="hwprof.help"), says)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda own: own["options"].update(draws=10**9), "more steps"),
        (lambda own: own["options"].update(inner_steps=10**9), "more steps"),
        (lambda own: own["options"].update(width=10**9), "do not fit its options"),
        (lambda own: own.update(seed=-1), "seed"),
        (lambda own: own.update(seed=2**70), "seed"),
        (lambda own: own.update(devices=["a"]), "damaged"),
        (lambda own: own.update(space="fbnet"), "one-hot|damaged"),
    ],
)
def test_a_header_that_does_not_fit(tmp_path: Path, change: Change, says: str) -> None:
    refused(rewritten(tmp_path / "x", HELP, header=change, key="hwprof.help"), says)


def test_only_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "not a regular file")


def test_nothing_of_another_kind_is_replaced(tmp_path: Path) -> None:
    predictor = HelpPredictor.load(HELP)
    target = tmp_path / "x"
    target.write_text("arch,latency_s\n")
    with pytest.raises(OptionError, match="left alone"):
        predictor.save(target)
    assert target.read_text() == "arch,latency_s\n"
    predictor.save(tmp_path / "y")
    predictor.save(tmp_path / "y")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x", "y"]
