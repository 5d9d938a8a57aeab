"""`hwprof lut additive`: what layers cost, and which architectures to measure for it."""

from __future__ import annotations

import numpy as np
import pytest

from hwprof import spaces
from hwprof.search.layers import LayerCosts
from tests.search.layers.conftest import filled, write  # noqa: F401 - fixtures


def test_costs_are_told_and_written(hwprof, filled, tmp_path):  # noqa: F811
    _, table, rows = filled("fbnet")
    path = tmp_path / "fbnet.costs"
    found = hwprof("lut", "additive", "--space", "fbnet", "--lut", table, "-o", path)
    assert found.code == 0
    costs = LayerCosts.load(path)
    assert f"kernels of {len(rows)} architectures" in found.out
    assert f"sums are {costs.agreement.mape:.1%} off on average" in found.out
    assert costs.device in found.out
    told = hwprof("lut", "additive", "--space", "fbnet", "--lut", table, "--json").json
    assert told["agreement"]["mape"] == pytest.approx(costs.agreement.mape)
    row = spaces.get("fbnet").sample(1, np.random.default_rng(0))
    total = told["constant_s"]
    for part in told["parts"]:
        values = np.array(part["values_s"])
        total += float(values[tuple(row[0, part["positions"]])])
    assert total == pytest.approx(costs(row)[0])


def test_a_plan(hwprof):
    archs = hwprof("lut", "additive", "--space", "fbnet", "--plan").out.splitlines()
    assert spaces.get("fbnet").indices(archs).shape == (len(archs), 22)
    assert hwprof("lut", "additive", "--space", "fbnet", "--plan", "--json").json == archs


def test_what_cannot_be(hwprof, filled, tmp_path):  # noqa: F811
    _, table, _ = filled("fbnet")
    asked = ("lut", "additive", "--space")
    assert "--plan only prints" in hwprof(*asked, "fbnet", "--plan", "-o", "x").error
    assert "search space" in hwprof(*asked, "imagenet", "--lut", table).error
    assert hwprof(*asked, "mobilenetv3", "--lut", table).code != 0
    note = tmp_path / "notes.txt"
    note.write_text("mine")
    assert hwprof(*asked, "fbnet", "--lut", table, "-o", note).code != 0
    assert note.read_text() == "mine"
